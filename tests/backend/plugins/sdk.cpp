extern "C" int openvino_test_symbol() { return 1; }
