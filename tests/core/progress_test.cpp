#include "core/readable_size.h"
#include "core/terminal_progress.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace lamina::core {
namespace {

using Style = TerminalProgress::Style;

TEST(TerminalProgress, LineShowsBarRateAndRemainingTime) {
  EXPECT_EQ(progress_line("predict", 5, 20, 10, Style::kCount, "batch", 79),
            "predict  [=======>                      ]  25%  5/20  0.5 batch/s  eta 30s");
  EXPECT_EQ(progress_line("save", 1u << 30, 2u << 30, 2, Style::kBytes, "", 79),
            "save  [============>            ]  50%  1.00 GB of 2.00 GB  512.00 MB/s  eta 2s");
}

TEST(TerminalProgress, FinishedLineShowsTheTimeTaken) {
  EXPECT_EQ(progress_line("x", 4, 4, 75, Style::kCount, "", 60),
            "x  [==========================] 100%  4/4  0.1 step/s  1m15s");
  EXPECT_EQ(progress_line("x", 0, 0, 0, Style::kCount, "", 20).size(), 20u);
}

TEST(TerminalProgress, LineNeverExceedsItsWidth) {
  for (std::size_t width = 1; width < 100; ++width) {
    for (const std::uint64_t done : {0, 1, 99, 100}) {
      EXPECT_LE(progress_line("title", done, 100, 3, Style::kBytes, "", width).size(), width);
    }
  }
}

TEST(TerminalProgress, SizesAreKeras) {
  EXPECT_EQ(readable_size(0), "0.00 B");
  EXPECT_EQ(readable_size(1023), "1023.00 B");
  EXPECT_EQ(readable_size(1024), "1.00 KB");
  EXPECT_EQ(readable_size(96019), "93.77 KB");
  EXPECT_EQ(readable_size(3e9), "2.79 GB");
}

std::string contents(std::FILE* file) {
  std::string text(4096, '\0');
  std::rewind(file);
  text.resize(std::fread(text.data(), 1, text.size(), file));
  return text;
}

TEST(TerminalProgress, ShortWorkDrawsNothing) {
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  {
    TerminalProgress progress("quick", 3, Style::kCount, "", file);
    for (std::uint64_t i = 1; i <= 3; ++i) progress.update(i);
  }
  EXPECT_EQ(contents(file), "");
  std::fclose(file);
}

TEST(TerminalProgress, LongWorkWritesPlainLinesWhereThereIsNoTerminal) {
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  {
    TerminalProgress progress("long", 100, Style::kCount, "item", file);
    std::this_thread::sleep_for(std::chrono::milliseconds(520));
    for (std::uint64_t i = 1; i <= 100; ++i) progress.update(i);
  }
  const std::string text = contents(file);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;  // the first one, and the last
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_NE(text.find("100%  100/100"), std::string::npos) << text;
  std::fclose(file);
}

}  // namespace
}  // namespace lamina::core
