// Included before llama.cpp's sources. g++ 12's AMX intrinsics do not tell the compiler which
// memory they read, so that it drops the stores which fill the tile configuration, and llama.cpp
// ends with a general protection fault at the first prompt.
#pragma once
#ifdef __x86_64__
#include <immintrin.h>

#define _tile_loadconfig(config) \
  __asm__ volatile("ldtilecfg %0" ::"m"(*(const char(*)[64])(config)) : "memory")
#undef _tile_loadd_internal
#define _tile_loadd_internal(tile, base, stride)                                  \
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile ::"r"((const void*)(base)), \
                   "r"((long)(stride))                                            \
                   : "memory")
#endif
