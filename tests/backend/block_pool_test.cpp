#include "backend/block_pool.h"

#include <gtest/gtest.h>

#include <set>

#include "backend/block_table.h"
#include "support/token_cache.h"

namespace mm_orch::backend {
namespace {

using testing::TokenCache;
using Tokens = std::vector<int64_t>;

TEST(BlockPool, GivesEachBlockOnce) {
  BlockPool pool(3);
  std::set<int32_t> taken;
  for (int i = 0; i < 3; ++i) taken.insert(*pool.take());
  EXPECT_EQ(taken, (std::set<int32_t>{0, 1, 2}));
  EXPECT_FALSE(pool.take());
  pool.release(1);
  EXPECT_EQ(pool.take(), 1);
}

TEST(BlockPool, ASharedBlockIsFreeWhenTheLastUserGoes) {
  BlockPool pool(1);
  const auto block = *pool.take();
  pool.share(block);
  EXPECT_FALSE(pool.writable(block));
  pool.release(block);
  EXPECT_TRUE(pool.writable(block));
  EXPECT_EQ(pool.available(), 0);
  pool.release(block);
  EXPECT_EQ(pool.available(), 1);
}

TEST(BlockPool, FindsContentByAllTokensBeforeIt) {
  BlockPool pool(4);
  const auto first = *pool.take(), second = *pool.take();
  const auto beginning = pool.publish(first, 0, Tokens{1, 2});
  pool.publish(second, beginning, Tokens{3, 4});
  EXPECT_FALSE(pool.find(0, Tokens{3, 4}));
  EXPECT_FALSE(pool.find(0, Tokens{1, 3}));
  const auto found = pool.find(0, Tokens{1, 2});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->first, first);
  EXPECT_EQ(pool.find(found->second, Tokens{3, 4})->first, second);
}

TEST(BlockPool, KeepsContentUntilTheRoomIsNeededTheOldestFirst) {
  BlockPool pool(2);
  const auto a = *pool.take(), b = *pool.take();
  pool.publish(a, 0, Tokens{1});
  pool.publish(b, 0, Tokens{2});
  pool.release(b);
  pool.release(a);
  EXPECT_EQ(pool.available(), 2);
  EXPECT_EQ(pool.take(), b);
  EXPECT_FALSE(pool.find(0, Tokens{2}));
  EXPECT_EQ(pool.find(0, Tokens{1})->first, a);
  EXPECT_FALSE(pool.take());
}

TEST(BlockTable, AForkCopiesWhatItWrites) {
  TokenCache cache(8);
  BlockTable one(cache);
  ASSERT_TRUE(one.reserve(0, 6));
  BlockTable two = one.fork();
  ASSERT_TRUE(two.reserve(6, 1));
  EXPECT_EQ(one.blocks()[0], two.blocks()[0]);
  EXPECT_NE(one.blocks()[1], two.blocks()[1]);
  EXPECT_EQ(cache.pool().taken(), 3);
  two.clear();
  EXPECT_EQ(cache.pool().taken(), 2);
}

TEST(BlockTable, PublishedBlocksAreNotWrittenAgain) {
  TokenCache cache(8);
  BlockTable table(cache);
  const Tokens tokens{1, 2, 3, 4, 5, 6, 7, 8};
  ASSERT_TRUE(table.reserve(0, 8));
  table.publish(tokens);
  const auto before = table.blocks()[1];
  ASSERT_TRUE(table.reserve(5, 2));  // goes back into the second block
  EXPECT_NE(table.blocks()[1], before);
  BlockTable other(cache);
  EXPECT_EQ(other.adopt(tokens), 8);
  EXPECT_EQ(other.blocks()[1], before);
}

TEST(BlockTable, AFullPoolGivesFalse) {
  TokenCache cache(2);
  BlockTable table(cache);
  EXPECT_FALSE(table.reserve(0, 9));
  EXPECT_TRUE(table.reserve(0, 8));
}

}  // namespace
}  // namespace mm_orch::backend
