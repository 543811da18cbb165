#include "cli/text.h"

#include <gtest/gtest.h>

using namespace lamina::cli;

TEST(Text, MessagesComeOnOneLine) {
  EXPECT_EQ(one_line("plain"), "plain");
  EXPECT_EQ(one_line("three fail:\n  a\r\n  b \n\n\tc\n"), "three fail: a; b; c");
  EXPECT_EQ(one_line("\n\nfirst;\nsecond"), "first; second");
  EXPECT_EQ(one_line(""), "");
}

TEST(Text, ControlCharactersDoNotReachTheTerminal) {
  EXPECT_EQ(printable("a\x1b[31mb\x7f"), "a\\x1b[31mb\\x7f");
  EXPECT_EQ(printable("schön/层"), "schön/层");
  EXPECT_EQ(one_line("a\x1b]0;b"), "a\\x1b]0;b");
}

TEST(Text, TablesAlignByColumnsNotBytes) {
  EXPECT_EQ(columns("├─ ü"), 4U);
  EXPECT_EQ(format_table({{"ä", "1"}, {"bcd", "234", "x"}, {"last"}}, {false, true, false}),
            "ä       1\n"
            "bcd   234  x\n"
            "last\n");
}
