#pragma once
#include <cstddef>
#include <cstdint>

// The arithmetic of Winograd's F(4x4, 3x3) on AVX-512: a 4x4 tile of a 3x3 convolution's output is
// made with 36 multiplications a channel pair instead of 144. Callers check `available()` first.
namespace lamina::ops::cpu::winograd {

inline constexpr std::int64_t kTile = 4;     ///< rows and columns of output that a tile makes
inline constexpr std::int64_t kPoints = 36;  ///< products of a tile
inline constexpr std::int64_t kLanes = 16;   ///< channels side by side in a vector
inline constexpr std::int64_t kRows = 14;    ///< tiles that one matrix product keeps in registers

/// The polynomials are evaluated at 0, +-kNear, +-kFar and infinity. The usual 1 and 2 cost four
/// times the rounding error of these (random data, 64 channels: 3.3e-5 against 0.7e-5 of a standard
/// deviation, at worst; adding the products up directly: 0.5e-5), and these and their squares are
/// exact.
inline constexpr double kNear = 0.625, kFar = 1.5;

enum class Function : std::uint8_t { kLinear, kRelu, kSilu };

struct Image {
  std::int64_t height, width, channels;
};

/// True where this processor has the instructions.
[[nodiscard]] bool available();

/// The 6x6 patch of `x` whose corner is at (row, column), which may lie outside (zeros there),
/// becomes 36 vectors a block of 16 channels: product p of block b goes to `v + p * point_stride +
/// b * block_stride`.
void transform_input(const float* x, const Image& image, std::int64_t row, std::int64_t column,
                     float* v, std::int64_t point_stride, std::int64_t block_stride);

/// m (14 x lanes) = v (14 x 16 blocks, `block_stride` apart) times u (16 blocks x lanes); lanes is
/// 16 or 32.
void multiply(const float* v, std::int64_t block_stride, const float* u, std::int64_t blocks,
              std::int64_t lanes, float* m);

struct Output {
  float* y;               ///< the image, at the chunk's first channel
  const float* bias;      ///< of the chunk's channels, or nullptr
  const float* residual;  ///< like y, or nullptr; may be y
  Function function;
  Image image;
};

/// y = function(inverse transform + bias) + residual for `lanes` channels of the tile at (row,
/// column); rows and columns outside the image are left out.
void transform_output(const float* m, std::int64_t point_stride, std::int64_t lanes,
                      const Output& output, std::int64_t row, std::int64_t column);

}  // namespace lamina::ops::cpu::winograd
