#include "cli/train_callbacks.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <vector>

#include "storage/posix_call.h"

namespace lamina::cli {
namespace {

namespace fs = std::filesystem;

class StepHistory : public Callback {
 public:
  explicit StepHistory(fs::path file) : path_(std::move(file)) {}

  void on_train_begin(FitRun& run) override {
    // Found out now rather than after an epoch.
    open(run.resumed() ? std::ios::app : std::ios::trunc);
    needs_header_ = fs::file_size(path_) == 0;
    trims_ = run.resumed();
  }
  void on_epoch_begin(FitRun&, std::int64_t epoch) override { epoch_ = epoch; }
  void on_train_batch_begin(FitRun& run, std::int64_t) override {
    rate_ = run.optimizer().learning_rate();
  }
  void on_train_batch_end(FitRun& run, std::int64_t, const Logs& logs) override {
    if (std::exchange(trims_, false)) trim(run.step());
    if (std::exchange(needs_header_, false)) {
      out_ << "step,epoch,loss";
      for (const auto& [name, value] : logs) {
        if (name != "loss") out_ << ',' << name;
      }
      out_ << ",learning_rate\n";
    }
    out_ << fmt::format("{},{},{}", run.step(), epoch_ + 1, run.batch_loss());
    for (const auto& [name, value] : logs) {
      if (name != "loss") out_ << fmt::format(",{}", value);
    }
    out_ << fmt::format(",{}\n", static_cast<float>(rate_));
    if (!out_.flush()) storage::raise_posix("write", path_, errno);
  }

 private:
  void open(std::ios::openmode mode) {
    out_.open(path_, mode);
    if (!out_) storage::raise_posix("open", path_, errno);
  }

  /// Takes the lines of `step` and later away: they were written after the checkpoint.
  void trim(std::int64_t step) {
    out_.close();
    std::vector<std::string> kept;
    std::ifstream in(path_);
    for (std::string line; std::getline(in, line);) {
      if (kept.empty() || std::atoll(line.c_str()) < step) kept.push_back(line);
    }
    in.close();
    open(std::ios::trunc);
    for (const std::string& line : kept) out_ << line << '\n';
  }

  fs::path path_;
  std::ofstream out_;
  std::int64_t epoch_ = 0;
  double rate_ = 0;
  bool needs_header_ = true, trims_ = false;
};

/// Ascending by step.
std::vector<fs::path> checkpoints_in(const fs::path& directory) {
  static const std::regex kName(R"(step_(\d+)\.weights\.h5)");
  std::vector<std::pair<long long, fs::path>> found;
  if (!fs::is_directory(directory)) return {};
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    std::smatch match;
    if (std::regex_match(name, match, kName))
      found.emplace_back(std::atoll(match[1].str().c_str()), entry.path());
  }
  std::sort(found.begin(), found.end());
  std::vector<fs::path> out;
  for (auto& [step, path] : found) out.push_back(std::move(path));
  return out;
}

class CheckpointSteps : public Callback {
 public:
  CheckpointSteps(fs::path directory, std::int64_t every, std::size_t max_to_keep)
      : directory_(std::move(directory)), every_(every), max_to_keep_(max_to_keep) {}
  bool saves() const override { return true; }
  void on_train_begin(FitRun&) override { fs::create_directories(directory_); }
  void on_train_batch_end(FitRun& run, std::int64_t, const Logs&) override {
    if (run.step() % every_ != 0) return;
    run.save(directory_ / fmt::format("step_{:08}.weights.h5", run.step()), {});
    std::vector<fs::path> all = checkpoints_in(directory_);
    if (max_to_keep_ == 0 || all.size() <= max_to_keep_) return;
    all.resize(all.size() - max_to_keep_);
    for (const fs::path& old : all) fs::remove(old);
  }

 private:
  fs::path directory_;
  std::int64_t every_;
  std::size_t max_to_keep_;
};

}  // namespace

CallbackPtr step_history(fs::path file) {
  return std::make_shared<StepHistory>(std::move(file));
}

CallbackPtr checkpoint_steps(fs::path directory, std::int64_t every, std::size_t max_to_keep) {
  return std::make_shared<CheckpointSteps>(std::move(directory), every, max_to_keep);
}

std::optional<fs::path> newest_checkpoint(const fs::path& directory) {
  const std::vector<fs::path> all = checkpoints_in(directory);
  return all.empty() ? std::nullopt : std::optional(all.back());
}

}  // namespace lamina::cli
