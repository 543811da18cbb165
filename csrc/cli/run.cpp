#include <fmt/format.h>
#include <lamina/error.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>

#include "cli/command.h"
#include "cli/text.h"
#include "core/tell.h"

namespace lamina::cli {
namespace {

int fail(const std::string& message) {
  core::tell(stderr, "lamina: error: {}\n", one_line(message));
  return kFailed;
}

}  // namespace

// CLI11's own says between which numbers of 300 digits.
CLI::Validator positive() {
  const auto fault_of = [](const std::string& text) -> std::string {
    double number = 0;
    if (CLI::detail::lexical_cast(text, number) && number > 0) return {};
    return fmt::format("expected a number above 0; received {}", text);
  };
  return {fault_of, "POSITIVE"};
}

// CLI11 by itself wraps what is below 0 around, cuts off what is too large, and reads 010 as 8.
CLI::Validator whole_number(std::uint64_t least, std::uint64_t greatest) {
  const auto fault_of = [=](std::string& text) -> std::string {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || rest != end || number < least || number > greatest) {
      return fmt::format("expected a whole number from {} to {}; received {}", least, greatest,
                         text);
    }
    text = std::to_string(number);
    return {};
  };
  return {fault_of, ""};
}

int run(int argc, const char* const* argv) {
  (void)std::signal(SIGXFSZ, SIG_IGN);  // a file beyond `ulimit -f` is an error, which has a name
  CLI::App app("Runs Keras models and reads, writes and compares their weights.", "lamina");
  app.set_version_flag("--version", LAMINA_VERSION);
  app.require_subcommand(1);
  ExitStatus status = kSuccess;
  add_summary(app);
  add_init(app);
  add_predict(app);
  add_train(app);
  add_inspect(app);
  add_diff(app, status);
  add_reshard(app);
  add_verify(app, status);
  add_recover(app, status);
  add_devices(app);
  // CLI11 would say that a subcommand is required, which is less than is known here.
  const auto is_named = [&](CLI::App* command) { return command->check_name(argv[1]); };
  if (argc > 1 && argv[1][0] != '-' && app.get_subcommands(is_named).empty()) {
    return fail(fmt::format("There is no subcommand '{}'; see lamina --help", argv[1]));
  }
  try {
    app.parse(argc, argv);
    if (std::fflush(stdout) == 0) return status;
    return fail(fmt::format("standard output cannot be written: {}", std::strerror(errno)));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    return fail(error.what());
  } catch (const std::bad_alloc&) {
    return fail("not enough memory");
  } catch (const std::exception& error) {
    return fail(error.what());
  }
}

}  // namespace lamina::cli
