#include <lamina/log.h>

#include <gmock/gmock.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace lamina {
namespace {

using ::testing::HasSubstr;

/// As saves in the background, which the end of the process waits for.
struct WarnsAtTheEnd {
  ~WarnsAtTheEnd() { warn("at the very end"); }
};

TEST(WarningsDeathTest, ReachTheirHandlerUntilTheVeryEndOfTheProcess) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";  // a process that has not warned before
  const std::string prefix(100, 'p');
  const auto leave = [&] {
    static const WarnsAtTheEnd last;  // goes after all that is made later
    set_warning_handler([prefix](std::string_view text) {
      std::fprintf(stderr, "%s: %.*s\n", prefix.c_str(), static_cast<int>(text.size()),
                   text.data());
    });
    std::exit(0);
  };
  EXPECT_EXIT(leave(), ::testing::ExitedWithCode(0), HasSubstr(prefix + ": at the very end"));
}

}  // namespace
}  // namespace lamina
