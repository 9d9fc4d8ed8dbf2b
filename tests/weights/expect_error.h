// EXPECT_ERROR(FileValidationError, call, "text in its message").
#pragma once

#include <gtest/gtest.h>

#include <string>

#define EXPECT_ERROR(type, call, text)                                                  \
  try {                                                                                 \
    static_cast<void>(call);                                                            \
    ADD_FAILURE() << "nothing was thrown";                                              \
  } catch (const type& error) {                                                         \
    EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what(); \
  }
