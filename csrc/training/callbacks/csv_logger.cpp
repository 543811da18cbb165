#include <lamina/callbacks.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "storage/posix_call.h"
#include "training/callbacks/number_text.h"
#include "training/callbacks/trim_log.h"

namespace lamina::callbacks {
namespace {

class CsvLoggerCallback : public Callback {
 public:
  explicit CsvLoggerCallback(CSVLoggerOptions options) : o_(std::move(options)) {}
  // Not Keras's CSVLogger: files have had this name from the first.
  std::string class_name() const override { return "CsvLogger"; }

  void on_train_begin(FitRun& run) override {
    const bool append = o_.append || run.resumed();
    std::error_code error;  // of a file that is not there
    const std::uintmax_t size = std::filesystem::file_size(o_.filename, error);
    begin_ = append && !error ? size : 0;
    needs_header_ = begin_ == 0;
    trims_ = run.resumed();
    columns_.clear();
    open(append ? std::ios::app : std::ios::trunc);
  }

  void on_epoch_begin(FitRun&, std::int64_t epoch) override {
    if (!std::exchange(trims_, false)) return;
    file_.close();
    const std::uintmax_t kept = training::trim_log(o_.filename, epoch, begin_);
    begin_ = std::min(begin_, kept);
    needs_header_ = kept == 0;
    // The first epoch chose them, which may have been validated where this one is not.
    if (begin_ == 0 && kept > 0) columns_ = columns_in_file();
    open(std::ios::app);
  }

  void on_epoch_end(FitRun&, std::int64_t epoch, Logs& logs) override {
    if (columns_.empty()) choose_columns(logs);
    if (std::exchange(needs_header_, false)) {
      file_ << "epoch";
      for (const std::string& column : columns_) file_ << o_.separator << column;
      file_ << "\r\n";
    }
    file_ << epoch;
    for (const std::string& column : columns_) {
      const auto it = logs.find(column);
      file_ << o_.separator << (it == logs.end() ? "NA" : training::number_text(it->second));
    }
    file_ << "\r\n";
    file_.flush();
    check("write");
  }

  void on_train_end(FitRun&, const Logs&) override { file_.close(); }

  std::vector<double> state() const override { return {static_cast<double>(begin_)}; }
  // A file of before there was this number has -1: then all lines of a log that is appended to may
  // be those of earlier runs.
  void set_state(const std::vector<double>& state) override {
    if (state[0] >= 0) {
      begin_ = static_cast<std::uintmax_t>(state[0]);
    } else if (!o_.append) {
      begin_ = 0;
    }
  }

 private:
  // As Keras: without validation logs in the first epoch, columns for them all the same.
  void choose_columns(const Logs& logs) {
    bool validated = false;
    for (const auto& [name, value] : logs) {
      columns_.push_back(name);
      validated |= name.starts_with("val_");
    }
    if (validated) return;
    for (const auto& [name, value] : logs) columns_.push_back("val_" + name);
  }
  [[nodiscard]] std::vector<std::string> columns_in_file() const {
    std::ifstream file(o_.filename);
    std::string names;
    std::getline(file, names);
    if (names.ends_with('\r')) names.pop_back();
    std::vector<std::string> columns;
    for (std::size_t at = names.find(o_.separator); at < names.size() && !o_.separator.empty();) {
      const std::size_t begin = at + o_.separator.size();
      at = std::min(names.find(o_.separator, begin), names.size());
      columns.push_back(names.substr(begin, at - begin));
    }
    return columns;
  }
  void open(std::ios::openmode mode) {
    if (file_.is_open()) file_.close();  // of a fit that failed
    file_.clear();
    file_.open(o_.filename, mode);
    check("open");
  }
  void check(const char* call) {
    if (!file_) storage::raise_posix(call, o_.filename, errno);
  }

  CSVLoggerOptions o_;
  std::ofstream file_;
  std::vector<std::string> columns_;
  std::uintmax_t begin_ = 0;  // where this run's lines begin in the file
  bool needs_header_ = true, trims_ = false;
};

}  // namespace

CallbackPtr CSVLogger(CSVLoggerOptions options) {
  return std::make_shared<CsvLoggerCallback>(std::move(options));
}

}  // namespace lamina::callbacks
