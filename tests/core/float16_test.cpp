#include <gtest/gtest.h>
#include <lamina/float16.h>

#include <bit>
#include <cmath>

using lamina::bfloat16;
using lamina::float16;

TEST(Float16, EveryBitPatternSurvivesTheWayThroughFloat) {
  for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const float value = float16::to_float(static_cast<std::uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(float16::to_float(float16::from_float(value))));
    } else {
      EXPECT_EQ(float16::from_float(value), bits);
    }
  }
}

TEST(Float16, RoundsToNearestEven) {
  EXPECT_EQ(float16(1.0f + 0x1p-11f).bits, float16(1.0f).bits);
  EXPECT_EQ(float16(1.0f + 0x1.8p-10f).bits, float16(1.0f + 0x1p-9f).bits);
  EXPECT_EQ(static_cast<float>(float16(65519.0f)), 65504.0f);
  EXPECT_TRUE(std::isinf(static_cast<float>(float16(65520.0f))));
  EXPECT_EQ(float16(0x1p-25f).bits, 0);
  EXPECT_EQ(float16(0x1.8p-25f).bits, 1);
}

TEST(BFloat16, RoundsToNearestEvenAndKeepsNaN) {
  for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
    bfloat16 b;
    b.bits = static_cast<std::uint16_t>(bits);
    const float value = static_cast<float>(b);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(static_cast<float>(bfloat16(value))));
    } else {
      EXPECT_EQ(bfloat16(value).bits, bits);
    }
  }
  EXPECT_EQ(bfloat16(std::bit_cast<float>(0x3f808000u)).bits, 0x3f80);
  EXPECT_EQ(bfloat16(std::bit_cast<float>(0x3f818000u)).bits, 0x3f82);
}
