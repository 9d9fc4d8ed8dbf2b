extern "C" int mm_orch_something_else() { return 1; }
