// The command as a whole: help, versions, and how it fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/cli/binary.h"
#include "tests/fakes/temporary_directory.h"

using lamina::testing::Outcome;
using lamina::testing::run_lamina;
using lamina::testing::TemporaryDirectory;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

namespace {

const TemporaryDirectory& scratch() {
  static const TemporaryDirectory kDirectory;
  return kDirectory;
}

Outcome run(std::vector<std::string> arguments) {
  return run_lamina(scratch().path(), std::move(arguments));
}

/// The one line that a failing run writes.
std::string error_line(std::vector<std::string> arguments) {
  const Outcome outcome = run(std::move(arguments));
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome.err;
  EXPECT_THAT(outcome.err, ::testing::StartsWith("lamina: error: "));
  return outcome.err;
}

}  // namespace

TEST(Command, HelpListsEverySubcommandAndEachHasItsOwn) {
  const Outcome all = run({"--help"});
  EXPECT_EQ(all.status, 0);
  EXPECT_EQ(all.err, "");
  for (const char* name : {"summary", "init", "predict", "train", "inspect", "diff", "reshard",
                           "verify", "recover", "devices"}) {
    EXPECT_THAT(all.out, HasSubstr(name));
    const Outcome one = run({name, "--help"});
    EXPECT_EQ(one.status, 0);
    EXPECT_EQ(one.err, "");
    EXPECT_THAT(one.out,
                AllOf(HasSubstr("Usage: lamina " + std::string(name)), HasSubstr("--help")));
  }
}

TEST(Command, SaysThatItsOutputCannotBeWritten) {
  const Outcome outcome = lamina::testing::finish_program(
      scratch().path(),
      lamina::testing::start_program("/bin/sh", scratch().path(),
                                     {"-c", "exec \"$0\" devices >/dev/full", LAMINA_BINARY}));
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.err,
            "lamina: error: standard output cannot be written: No space left on device\n");
}

TEST(Command, HelpNamesEveryOption) {
  const std::pair<const char*, std::vector<const char*>> options[] = {
      {"summary", {"MODEL", "--json"}},
      {"init",
       {"MODEL", "--weights", "--weights-out", "--max-shard-size", "--seed", "--no-overwrite"}},
      {"predict",
       {"MODEL", "--weights", "--input", "--output", "--skip-mismatch", "--device",
        "--batch-size"}},
      {"train",
       {"MODEL",
        "--data",
        "--labels",
        "--validation-data",
        "--validation-labels",
        "--weights",
        "--weights-out",
        "--loss",
        "--optimizer",
        "--metric",
        "--epochs",
        "--batch-size",
        "--checkpoint-every",
        "--no-shuffle",
        "--seed",
        "--checkpoint-dir",
        "--max-to-keep",
        "--resume",
        "--history",
        "--device"}},
      {"inspect", {"W", "--json"}},
      {"diff", {"A", "B"}},
      {"reshard", {"IN", "OUT", "--max-shard-size", "--model", "--no-overwrite"}}};
  for (const auto& [command, names] : options) {
    const std::string help = run({command, "--help"}).out;
    for (const char* name : names) EXPECT_THAT(help, HasSubstr(name)) << command;
    // Which gigabytes are meant.
    const bool makes_shards = std::ranges::count(names, std::string_view("--max-shard-size")) > 0;
    EXPECT_EQ(help.find("1024^3") != help.npos, makes_shards) << command;
  }
}

TEST(Command, VersionIsANumber) {
  const Outcome outcome = run({"--version"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST(Command, UsageErrorsAreOneLineAndStatus2) {
  EXPECT_THAT(error_line({}), HasSubstr("subcommand"));
  EXPECT_THAT(error_line({"frobnicate"}), HasSubstr("frobnicate"));
  EXPECT_THAT(error_line({"inspect"}), HasSubstr("W is required"));
  EXPECT_THAT(error_line({"diff", "a"}), HasSubstr("B is required"));
  EXPECT_THAT(error_line({"inspect", "a", "--frob"}), HasSubstr("--frob"));
  EXPECT_THAT(error_line({"reshard", "a", "b", "--max-shard-size", "big"}),
              HasSubstr("--max-shard-size"));
  EXPECT_THAT(error_line({"reshard", "a", "b", "--max-shard-size", "0"}),
              HasSubstr("--max-shard-size: expected a number above 0; received 0"));
  EXPECT_THAT(error_line({"init", "EfficientNetV2B0"}), HasSubstr("--weights is required"));
}

TEST(Command, WholeNumbersAreHeldToTheirRange) {
  const auto refusal = [](const char* option, const char* number) {
    return error_line({"train", "m.json", "--data", "x.npy", "--labels", "y.npy",
                       "--checkpoint-dir", "c", option, number});
  };
  for (const char* option : {"--epochs", "--batch-size", "--checkpoint-every"}) {
    for (const char* number : {"0", "-1", "1.5", "0x10", "9223372036854775808"}) {
      EXPECT_THAT(refusal(option, number),
                  HasSubstr(std::string(option) + ": expected a whole number from 1 to " +
                            "9223372036854775807; received " + number));
    }
  }
  for (const char* number : {"-1", "18446744073709551616"}) {
    EXPECT_THAT(refusal("--max-to-keep", number), HasSubstr("--max-to-keep: expected a whole"));
    EXPECT_THAT(refusal("--seed", number), HasSubstr("--seed: expected a whole number from 0 to "));
    EXPECT_THAT(error_line({"init", "m.json", "--weights", "w.weights.h5", "--seed", number}),
                HasSubstr("--seed: expected a whole number"));
  }
  EXPECT_THAT(error_line({"predict", "m.json", "--input", "x.npy", "--output", "y.npy",
                          "--batch-size", "0"}),
              HasSubstr("--batch-size: expected a whole number from 1 to"));
  // Within the range the data are looked for; leading zeros make no octal number.
  for (const char* number : {"018446744073709551615", "0", "08"}) {
    EXPECT_THAT(refusal("--seed", number), HasSubstr("'x.npy'"));
  }
}

TEST(Command, MissingFilesAreNamed) {
  for (const char* suffix : {".weights.h5", ".weights.json", ".keras"}) {
    const std::string name = "nowhere" + std::string(suffix);
    EXPECT_THAT(error_line({"inspect", name}), HasSubstr(name));
    EXPECT_THAT(error_line({"diff", name, name}), HasSubstr(name));
    EXPECT_THAT(error_line({"reshard", name, "out.weights.h5"}), HasSubstr(name));
  }
}

TEST(Command, FilesOfAnotherKindAreNamed) {
  std::ofstream(scratch() / "text.weights.h5")
      << "This is no HDF5 file at all, and not a short one either.\n";
  std::ofstream(scratch() / "text.weights.json") << "[1, 2";
  EXPECT_THAT(error_line({"inspect", "text.weights.h5"}), HasSubstr("text.weights.h5"));
  EXPECT_THAT(error_line({"inspect", "text.weights.json"}), HasSubstr("text.weights.json"));
  EXPECT_THAT(error_line({"inspect", "weights.txt"}), HasSubstr("weights.txt"));
}
