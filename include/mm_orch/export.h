// Symbol visibility: what libmm_orch offers to plug-ins, bindings and users.
#pragma once

#define MM_ORCH_EXPORT __attribute__((visibility("default")))
