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

/// As Python's csv writes a field.
std::string quoted(const std::string& text, const std::string& separator) {
  const auto has = [&](const std::string& part) { return text.find(part) != text.npos; };
  if (!(has("\"") || has("\r") || has("\n") || (!separator.empty() && has(separator)))) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string(2, c) : std::string(1, c);
  return out + '"';
}

/// What a line of such fields holds.
std::vector<std::string> fields_of(const std::string& line, const std::string& separator) {
  std::vector<std::string> fields(1);
  bool inside = false;
  for (std::size_t at = 0; at < line.size();) {
    if (inside && line.compare(at, 2, "\"\"") == 0) {
      fields.back() += '"';
      at += 2;
    } else if (line[at] == '"') {
      inside = !inside;
      ++at;
    } else if (!inside && !separator.empty() &&
               line.compare(at, separator.size(), separator) == 0) {
      fields.emplace_back();
      at += separator.size();
    } else {
      fields.back() += line[at++];
    }
  }
  return fields;
}

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
      for (const std::string& column : columns_) write(column);
      file_ << "\r\n";
    }
    file_ << epoch;
    for (const std::string& column : columns_) {
      const auto it = logs.find(column);
      write(it == logs.end() ? "NA" : training::number_text(it->second));
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
    std::vector<std::string> columns = fields_of(names, o_.separator);
    columns.erase(columns.begin());  // "epoch"
    return columns;
  }
  void write(const std::string& field) { file_ << o_.separator << quoted(field, o_.separator); }
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
