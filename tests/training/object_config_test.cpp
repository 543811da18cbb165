// Losses, metrics, schedules and optimizers as Keras's serialised objects, and back.
#include "training/object_config.h"

#include <gmock/gmock.h>
#include <lamina/lamina.h>

#include <limits>

#include "random_fields.h"
#include "training/config_fields.h"

namespace lamina {
namespace {

using nlohmann::json;
using test::message_of;
using test::Random;
using test::RandomFields;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// Something of each class of a table, of options drawn anew: its configuration holds them, what is
/// made of it has the same, and words do as well.
template <class Result, class Write, class Read>
void expect_all_go_both_ways(std::span<const training::Maker<Result>> makers,
                             const std::string& module, const Write& write, const Read& read) {
  Random random;
  for (const training::Maker<Result>& maker : makers) {
    for (int i = 0; i < 20; ++i) {
      RandomFields options(random, std::string(maker.name));
      const json object = write(*maker.make(options));
      EXPECT_EQ(object.at("module"), module);
      EXPECT_EQ(object.at("class_name"), maker.name);
      EXPECT_EQ(object.at("registered_name"), nullptr);
      json config = object.at("config");
      // Of a list of thresholds Keras gives the number, with its ends.
      if (options.drawn.contains("thresholds") && maker.name == "AUC") {
        options.drawn["num_thresholds"] = options.drawn["thresholds"].size() + 2;
      }
      for (const auto& [key, value] : options.drawn.items()) {
        EXPECT_EQ(config.value(key, json("missing")), value) << maker.name << ": " << key;
      }
      EXPECT_EQ(write(*read(json::parse(object.dump()))), object) << maker.name;
    }
  }
}

TEST(ObjectConfig, OfOptimizersHoldsAllOptions) {
  expect_all_go_both_ways(training::optimizer_makers(), "keras.optimizers",
                          training::optimizer_object, training::optimizer_from);
}

TEST(ObjectConfig, OfSchedulesHoldsAllOptions) {
  expect_all_go_both_ways(training::schedule_makers(), "keras.optimizers.schedules",
                          training::schedule_object, training::schedule_from);
}

TEST(ObjectConfig, OfLossesHoldsAllOptions) {
  expect_all_go_both_ways(training::loss_makers(), "keras.losses", training::loss_object,
                          training::loss_from);
}

TEST(ObjectConfig, OfMetricsHoldsAllOptions) {
  expect_all_go_both_ways(training::metric_makers(), "keras.metrics", training::metric_object,
                          training::metric_from);
}

TEST(ObjectConfig, OfMeansOfLossesHoldsTheLosssOptions) {
  Random random;
  std::size_t wrapped = 0;
  for (const training::Maker<LossPtr>& maker : training::loss_makers()) {
    RandomFields options(random, std::string(maker.name));
    const LossPtr loss = maker.make(options);
    const json object = training::metric_object(*metrics::MeanOf(loss, "mine"));
    const json& config = object.at("config");
    options.drawn.erase("reduction");
    options.drawn["name"] = "mine";
    options.drawn["dtype"] = "float32";
    for (const auto& [key, value] : options.drawn.items()) {
      EXPECT_EQ(config.value(key, json("missing")), value) << maker.name << ": " << key;
    }
    if (object.at("class_name") == "MeanMetricWrapper") {
      ++wrapped;
      EXPECT_EQ(config.at("fn").at("config"), maker.aliases[0]);
    } else {
      EXPECT_EQ(object.at("class_name"), maker.name);
    }
    EXPECT_EQ(training::metric_object(*training::metric_from(object)), object);
  }
  EXPECT_EQ(wrapped, 10U);  // Keras has no metric of these losses, or another of that name
}

TEST(ObjectConfig, HasTheLearningRateOfNow) {
  const OptimizerPtr adam = optimizers::Adam({.learning_rate = 0.5});
  adam->set_learning_rate(0.25);
  EXPECT_EQ(training::optimizer_object(*adam)["config"]["learning_rate"], 0.25);
}

TEST(ObjectConfig, OfALossByItsNameIsTheName) {
  for (const char* name : {"mse", "MeanSquaredError", "mean_squared_error", "huber"}) {
    const LossPtr loss = losses::get(name);
    EXPECT_EQ(training::loss_object(*loss), name);
    EXPECT_EQ(training::loss_object(*training::loss_from(name)), name);
  }
  const json function = {{"module", "builtins"},
                         {"class_name", "function"},
                         {"config", "mean_absolute_error"},
                         {"registered_name", "function"}};
  EXPECT_EQ(training::loss_object(*training::loss_from(function)), "mean_absolute_error");
}

// losses.get of Keras's knows it by no name.
TEST(ObjectConfig, OfALossThatKerasHasNoNameForIsAnObject) {
  const std::string name = "CategoricalGeneralizedCrossEntropy";
  const json object = training::loss_object(*losses::get(name));
  EXPECT_EQ(object.at("class_name"), name);
  EXPECT_EQ(object.at("config").at("q"), 0.5);
  EXPECT_EQ(training::loss_object(*training::loss_from(object)), object);
}

TEST(ObjectConfig, OfAxesMayHaveOneByItself) {
  json object = training::loss_object(*losses::Dice({.axis = {{1, 2}}}));
  EXPECT_EQ(object.at("config").at("axis"), json({1, 2}));
  object["config"]["axis"] = -1;
  EXPECT_EQ(training::loss_object(*training::loss_from(object)).at("config").at("axis"),
            json::array({-1}));
  object["config"]["axis"] = nullptr;
  EXPECT_EQ(training::loss_object(*training::loss_from(object)), object);
  object["config"]["axis"] = 0.5;
  EXPECT_THAT(message_of([&] { (void)training::loss_from(object); }),
              HasSubstr("the option axis=0.5 should be a list of numbers"));
}

TEST(ObjectConfig, OfAWrappedOptimizerHasNoScaleOfItsOwn) {
  const OptimizerPtr inner = optimizers::SGD({.loss_scale_factor = 4.0});
  EXPECT_EQ(training::optimizer_object(*inner)["config"]["loss_scale_factor"], 4.0);
  const OptimizerPtr outer = optimizers::LossScaleOptimizer({.inner_optimizer = inner});
  const json config = training::optimizer_object(*outer)["config"];
  EXPECT_EQ(config["inner_optimizer"]["config"]["loss_scale_factor"], nullptr);
}

class Distance : public Loss {
 public:
  Distance() : Loss("distance") {}

 protected:
  float row(std::span<const float>, std::span<const float>, std::span<float>) const override {
    return 0;
  }
};

TEST(ObjectConfig, IsNoneOfClassesThatAreNotKerass) {
  EXPECT_THAT(message_of([] { (void)training::loss_object(Distance()); }),
              AllOf(HasSubstr("loss"), HasSubstr("'Distance'")));
  EXPECT_THAT(message_of([] { (void)training::metric_object(metrics::Mean("m")); }),
              AllOf(HasSubstr("metric"), HasSubstr("'Mean'")));
  EXPECT_THROW((void)training::metric_object(*metrics::MeanOf(std::make_shared<Distance>())),
               UnsupportedError);
}

TEST(ObjectConfig, MayBeRegisteredUnderItsOwnName) {
  const json adam = training::optimizer_object(*optimizers::Adam());
  json named = adam;
  named["registered_name"] = "Adam";
  EXPECT_EQ(training::optimizer_object(*training::optimizer_from(named)), adam);
}

TEST(ObjectConfig, IsNoneOfTheOptionsOfAnotherClass) {
  const auto expect_refused = [](const auto& makers) {
    for (const auto& maker : makers) {
      training::ConfigWriter writer{std::string(maker.name)};
      EXPECT_THAT(message_of([&] { maker.tell(writer, 3); }), HasSubstr(std::string(maker.name)));
      EXPECT_THROW(maker.tell(writer, 3), UnsupportedError) << maker.name;
    }
  };
  expect_refused(training::optimizer_makers());
  expect_refused(training::schedule_makers());
  expect_refused(training::loss_makers());
  expect_refused(training::metric_makers());
}

TEST(ObjectConfig, IsNoneOfNumbersThatJsonLacks) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const double number : {kInfinity, -kInfinity, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THROW((void)training::optimizer_object(*optimizers::Adam({.epsilon = number})),
                 UnsupportedError);
    EXPECT_THROW((void)training::optimizer_object(*optimizers::SGD({.learning_rate = number})),
                 UnsupportedError);
    const OptimizerPtr adam = optimizers::Adam();
    adam->set_learning_rate(number);
    EXPECT_THAT(message_of([&] { (void)training::optimizer_object(*adam); }),
                HasSubstr("the learning rate is"));
    EXPECT_THROW((void)training::schedule_object(*schedules::PiecewiseConstantDecay(
                     {.boundaries = {1}, .values = {0.5, number}})),
                 UnsupportedError);
  }
  EXPECT_THAT(message_of([] {
                (void)training::optimizer_object(*optimizers::Adam({.epsilon = kInfinity}));
              }),
              HasSubstr("the option epsilon of Adam is inf"));
}

TEST(ObjectConfig, OfAMetricByItsNameIsTheNameWhereKerasHasIt) {
  for (const char* name :
       {"accuracy", "mse", "MeanSquaredError", "bce", "kl_divergence", "KLDivergence",
        "cosine_similarity", "CosineSimilarity", "log_cosh_error", "AUC", "categorical_hinge"}) {
    EXPECT_EQ(training::named_metric_object(name), name);
  }
  for (const char* name : {"kld", "KLD"}) {
    const json object = training::named_metric_object(name);
    EXPECT_EQ(object["class_name"], "KLDivergence");
    EXPECT_EQ(object["config"]["name"], name);
  }
  for (const char* name :
       {"huber", "Huber", "log_cosh", "LogCosh", "binary_focal_crossentropy",
        "BinaryFocalCrossentropy", "categorical_focal_crossentropy", "CategoricalFocalCrossentropy",
        "dice", "Tversky", "circle", "ctc", "categorical_generalized_cross_entropy"}) {
    const json object = training::named_metric_object(name);
    EXPECT_EQ(object["class_name"], "MeanMetricWrapper") << name;
    EXPECT_EQ(object["config"]["name"], name);
    EXPECT_EQ(training::metric_from(object)->name(), name);
  }
}

/// What reading a changed configuration of Adam's, or of a metric's, throws.
template <class Change>
std::string refusal(json object, const Change& change) {
  change(object);
  return message_of([&] {
    if (object.value("module", "") == "keras.metrics") {
      (void)training::metric_from(object);
    } else {
      (void)training::optimizer_from(object);
    }
  });
}

TEST(ObjectConfig, ThatLaminaLacksIsRefusedByName) {
  const json adam = training::optimizer_object(*optimizers::Adam());
  const auto option = [&](const char* key, const json& value) {
    return refusal(adam, [&](json& object) { object["config"][key] = value; });
  };
  EXPECT_THAT(option("warp", 1),
              AllOf(HasSubstr("Adam has no option 'warp'"), HasSubstr("beta_1")));
  EXPECT_THAT(option("beta_1", "fast"), HasSubstr("Adam: the option beta_1=\"fast\""));
  EXPECT_THAT(option("beta_1", nullptr), HasSubstr("a number"));
  EXPECT_THAT(option("amsgrad", 1), HasSubstr("true or false"));
  EXPECT_THAT(option("gradient_accumulation_steps", 2.5), HasSubstr("an integer"));
  EXPECT_THAT(option("gradient_accumulation_steps", 1e300), HasSubstr("an integer"));
  EXPECT_THAT(option("gradient_accumulation_steps", ~0ULL), HasSubstr("an integer"));
  EXPECT_THAT(option("learning_rate", {{"class_name", "Wavy"}}), HasSubstr("Wavy"));
  EXPECT_THAT(option("learning_rate", json::array()), HasSubstr("schedule"));
  const auto object = [&](const char* key, const json& value) {
    return refusal(adam, [&](json& changed) { changed[key] = value; });
  };
  EXPECT_THAT(object("class_name", "ScheduleFreeSGD"),
              HasSubstr("'ScheduleFreeSGD' is not supported"));
  EXPECT_THAT(object("class_name", 3), HasSubstr("class_name"));
  EXPECT_THAT(object("module", "mine"), AllOf(HasSubstr("'mine'"), HasSubstr("Keras")));
  EXPECT_THAT(object("registered_name", "mine>Adam"), HasSubstr("not one of Keras's"));
  EXPECT_THAT(object("config", 1), HasSubstr("'config'"));
  EXPECT_THAT(message_of([] { (void)training::loss_from(nullptr); }), HasSubstr("loss"));
  EXPECT_THAT(message_of([] { (void)training::loss_from("nothing"); }), HasSubstr("'nothing'"));
}

TEST(ObjectConfig, OfMetricsIsReadWithCare) {
  const json auc = training::metric_object(*metrics::AUC());
  const auto option = [](const json& object, const char* key, const json& value) {
    return refusal(object, [&](json& changed) { changed["config"][key] = value; });
  };
  EXPECT_THAT(option(auc, "multi_label", true), HasSubstr("multi_label=true is not supported"));
  EXPECT_THAT(option(auc, "curve", "LIFT"), HasSubstr("one of ROC, PR"));
  EXPECT_THAT(option(auc, "dtype", "float16"), HasSubstr("dtype"));
  EXPECT_THAT(option(auc, "num_thresholds", 1'000'000'000), HasSubstr("at most"));
  const json iou = training::metric_object(*metrics::MeanIoU(3));
  EXPECT_THAT(option(iou, "num_classes", 1'000'000), HasSubstr("at most"));
  EXPECT_THAT(option(iou, "num_classes", nullptr), HasSubstr("needs the option num_classes"));
  const json f1 = training::metric_object(*metrics::F1Score(metrics::Average::kMicro));
  EXPECT_THAT(option(f1, "average", nullptr), HasSubstr("needs the option average"));
  const json wrapper =
      training::metric_object(*metrics::MeanOf(losses::Huber({.delta = 2}), "huber"));
  EXPECT_EQ(wrapper["config"]["delta"], 2.0);
  EXPECT_THAT(option(wrapper, "fn", "nothing"), HasSubstr("'nothing'"));
  EXPECT_THAT(option(wrapper, "fn", 3), HasSubstr("MeanMetricWrapper"));
}

}  // namespace
}  // namespace lamina
