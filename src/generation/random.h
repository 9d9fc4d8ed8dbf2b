// Random numbers that are the same on every standard library: the engine is fixed by
// the C++ standard, and the conversion to [0, 1) is our own.
#pragma once

#include <cstdint>
#include <random>

namespace mm_orch::generation {

class RandomStream {
 public:
  /// Streams of one seed are independent of each other.
  RandomStream(uint64_t seed, uint64_t stream) : engine_(mix(mix(seed) + stream)) {}

  /// Uniform in [0, 1), 53 bits.
  double next() { return static_cast<double>(engine_() >> 11) * 0x1.0p-53; }

 private:
  // Source: splitmix64, Steele et al. 2014.
  static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }

  std::mt19937_64 engine_;
};

}  // namespace mm_orch::generation
