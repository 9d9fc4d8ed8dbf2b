#include "weights/tensor.h"
