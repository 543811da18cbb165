#pragma once
#include <lamina/callbacks.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "models/weights/training_parts.h"
#include "training/fit/evaluation.h"
#include "training/fit/feed.h"
#include "training/fit/progress_bar.h"
#include "training/fit/run_state.h"
#include "training/fit/trainer.h"

namespace lamina::training {

/// Throws ValueError for numbers out of range.
void check(const FitOptions& options);

/// One call of `fit`, on options that were checked.
class FitLoop : public FitRun {
 public:
  /// `validation` may be null.
  FitLoop(Model& model, models::TrainingParts& parts, std::unique_ptr<Feed> feed,
          std::unique_ptr<Feed> validation, const FitOptions& options);
  ~FitLoop() override;

  History run();

  Model& model() override { return model_; }
  Optimizer& optimizer() override { return trainer_.optimizer(); }
  std::int64_t epochs() const override { return options_.epochs; }
  std::int64_t steps_per_epoch() const override { return plan_.steps(); }
  std::int64_t step() const override { return trainer_.step(); }
  double batch_loss() const override { return trainer_.batch_loss(); }
  std::optional<Direction> direction(std::string_view log) const override {
    return trainer_.direction(log.starts_with("val_") ? log.substr(4) : log);
  }
  bool resumed() const override { return !resume_from_.empty(); }
  void stop_training() override { stopped_ = true; }
  void abandon_training() override { stopped_ = abandoned_ = true; }
  void save(const std::filesystem::path& path, const SaveOptions& options) override;
  SaveHandle save_async(const std::filesystem::path& path,
                        const AsyncSaveOptions& options) override;
  void refresh_state() override;
  void restore(const std::filesystem::path& path) override { resume_from_ = path; }

 private:
  /// What is trained next.
  struct Position {
    std::int64_t epoch = 0, batch = 0;
  };

  void start();
  /// Epoch by epoch, up to where it was told to stop.
  void train();
  void run_epoch();
  /// Up to batch `end` of the epoch.
  void run_batches(std::int64_t end, ProgressBar& bar);
  void validate(Logs& logs);
  /// Whether the data of an epoch, or what follows them, are still to come.
  [[nodiscard]] bool goes_on() const;
  /// Whether the order of the samples, or of a loader's batches, is a new one each pass.
  [[nodiscard]] bool shuffles() const;
  [[nodiscard]] bool validates_after(std::int64_t epoch) const;
  /// Returns when what the run saves in the background is written, or failed.
  void wait_for_saves() const;
  [[nodiscard]] RunState state() const;
  /// Goes on from there. Weights, optimizer and the callbacks' variables are so already.
  void take(const RunState& state);
  /// All that the file holds which `resume_from_` names.
  void load_state();
  template <class F>
  void call_savers(const F& f);
  template <class F>
  void call_others(const F& f);
  /// The others first.
  template <class F>
  void call_all(const F& f);

  Model& model_;
  models::TrainingParts& parts_;
  Trainer& trainer_;
  FitOptions options_;
  std::unique_ptr<Feed> feed_, validation_;
  EpochPlan plan_;
  std::optional<OnePass> validation_pass_;
  std::vector<std::string> class_names_;  // of all callbacks
  std::vector<CallbackPtr> savers_, others_;
  std::filesystem::path resume_from_;
  Position position_;
  bool stopped_ = false, abandoned_ = false;
  /// What the metrics have gathered in the epoch, while they gather the validation.
  std::optional<std::vector<double>> epoch_metrics_;
  std::set<std::string> background_saves_;  // the queue's keys
  Logs last_logs_;
  History history_;
};

}  // namespace lamina::training
