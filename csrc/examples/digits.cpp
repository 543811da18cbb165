// A small convnet learns handwritten digits: 1,438 of them, and the other 359 tell how well. Killed
// at any time and started again, it goes on where it was, to the same weights. Files go to the
// directory given as argument, else to "digits": the weights, a log and a curve of the loss.
#include <lamina/lamina.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

using namespace lamina;
namespace fs = std::filesystem;

namespace {

struct Digits {
  Tensor images, labels;
};

/// The digits of these numbers, pixels in [0, 1].
Digits select(const Tensor& images, const Tensor& labels, const std::vector<std::int64_t>& which) {
  const auto count = static_cast<std::int64_t>(which.size());
  Digits out{Tensor::empty({count, 8, 8, 1}), Tensor::empty({count}, DType::kUInt8)};
  for (std::size_t i = 0; i < which.size(); ++i) {
    const auto from = static_cast<std::size_t>(which[i]);
    for (std::size_t pixel = 0; pixel < 64; ++pixel) {
      out.images.data<float>()[i * 64 + pixel] =
          static_cast<float>(images.data<std::uint8_t>()[from * 64 + pixel]) / 16.0f;
    }
    out.labels.data<std::uint8_t>()[i] = labels.data<std::uint8_t>()[from];
  }
  return out;
}

/// Four fifths to train on, one fifth to test on, by the same draw each time.
std::pair<Digits, Digits> read_digits(const fs::path& directory) {
  const Tensor images = read_npy(directory / "digits_images.npy");
  const Tensor labels = read_npy(directory / "digits_labels.npy");
  std::vector<std::int64_t> order(static_cast<std::size_t>(images.shape()[0]));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937 random(2026);
  for (std::size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[random() % (i + 1)]);
  const auto cut = order.begin() + static_cast<std::ptrdiff_t>(order.size() / 5);
  return {select(images, labels, {cut, order.end()}), select(images, labels, {order.begin(), cut})};
}

ModelPtr make_model() {
  auto x = layers::Input({.shape = {8, 8, 1}});
  auto y = layers::Conv2D({.filters = 32, .kernel_size = 3, .padding = "same"})(x);
  y = layers::ReLU()(layers::BatchNormalization()(y));
  y = layers::Conv2D({.filters = 64, .kernel_size = 3, .padding = "same"})(y);
  y = layers::ReLU()(layers::BatchNormalization()(y));
  y = layers::Dropout({.rate = 0.3})(layers::MaxPooling2D()(y));
  y = layers::Conv2D({.filters = 64, .kernel_size = 3, .activation = "relu"})(y);
  y = layers::Dropout({.rate = 0.4})(layers::Flatten()(y));
  return Functional::create(x, layers::Dense({.units = 10})(y));
}

/// The columns of a log, which has a line for each epoch, those before a kill too.
std::map<std::string, std::vector<double>> read_log(const fs::path& file) {
  std::ifstream log(file);
  std::map<std::string, std::vector<double>> columns;
  std::vector<std::string> names;
  for (std::string line, cell; std::getline(log, line);) {
    const bool first = names.empty();
    std::ranges::replace(line, ',', ' ');
    std::istringstream cells(line);
    for (std::size_t i = 0; cells >> cell; ++i) {
      if (first) {
        names.push_back(cell);
      } else {
        columns[names[i]].push_back(std::stod(cell));
      }
    }
  }
  return columns;
}

/// One line for each series of numbers, logarithmic: a picture for a browser.
void draw(const fs::path& file,
          const std::vector<std::pair<std::string, std::vector<double>>>& all) {
  constexpr double kWidth = 640, kHeight = 320, kMargin = 50;
  double low = 1e9, high = 0;
  for (const auto& [name, values] : all) {
    for (const double value : values) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  const auto y = [&](double value) {
    return kMargin + (kHeight - 2 * kMargin) * std::log(high / value) / std::log(high / low);
  };
  std::ofstream svg(file);
  svg << "<svg xmlns='http://www.w3.org/2000/svg' width='" << kWidth << "' height='" << kHeight
      << "' font-family='sans-serif' font-size='12'>\n<rect width='100%' height='100%' "
         "fill='white'/>\n";
  for (double line = 10; line > low / 10; line /= 10) {
    if (line > high || line < low) continue;
    svg << "<path d='M" << kMargin << ' ' << y(line) << "H" << kWidth - kMargin
        << "' stroke='#ddd'/><text x='10' y='" << y(line) + 4 << "'>" << line << "</text>\n";
  }
  const char* colors[] = {"#1f77b4", "#d62728"};
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& [name, values] = all[i];
    const double step = (kWidth - 2 * kMargin) / std::max<double>(1, double(values.size()) - 1);
    svg << "<polyline fill='none' stroke-width='2' stroke='" << colors[i % 2] << "' points='";
    for (std::size_t k = 0; k < values.size(); ++k) {
      svg << kMargin + step * double(k) << ',' << y(values[k]) << ' ';
    }
    svg << "'/>\n<text x='" << kMargin + 120.0 * double(i) << "' y='25' fill='" << colors[i % 2]
        << "'>" << name << "</text>\n";
  }
  svg << "<text x='" << kWidth - kMargin - 90 << "' y='" << kHeight - 15 << "'>epoch 1 to "
      << all.front().second.size() << "</text>\n</svg>\n";
  if (!svg.flush()) throw Error("'" + file.string() + "' cannot be written.");
}

int run(const fs::path& directory) {
  const auto [train, test] = read_digits(LAMINA_EXAMPLE_DATA);
  set_random_seed(1);
  const ModelPtr model = make_model();
  constexpr std::int64_t kEpochs = 30;
  const std::int64_t steps = kEpochs * (train.images.shape()[0] / 32 + 1);
  model->compile(
      {.optimizer = optimizers::Adam({.learning_rate = schedules::CosineDecay(
                                          {.initial_learning_rate = 2e-3, .decay_steps = steps})}),
       .loss = losses::SparseCategoricalCrossentropy({.from_logits = true}),
       .metrics = {"accuracy"}});

  fs::create_directories(directory);
  const fs::path backup = directory / "backup", log = directory / "log.csv";
  model->fit(
      train.images, train.labels,
      {.epochs = kEpochs,
       .callbacks = {callbacks::CSVLogger({.filename = log}),
                     callbacks::BackupAndRestore(
                         {.backup_dir = backup, .delete_checkpoint = false, .asynchronous = true})},
       .validation_data = DataSet(test.images, test.labels),
       .seed = 1});
  model->save_weights(directory / "digits.weights.h5");
  const auto columns = read_log(log);
  draw(directory / "loss.svg",
       {{"training loss", columns.at("loss")}, {"test loss", columns.at("val_loss")}});
  fs::remove_all(backup);  // not before: a kill until here finds a run that is over

  const double accuracy = model->evaluate(test.images, test.labels).at("accuracy");
  std::printf("%.2f %% of %lld digits that it has never seen are recognised.\n", 100 * accuracy,
              static_cast<long long>(test.images.shape()[0]));
  std::printf("Weights: %s, curve: %s\n", (directory / "digits.weights.h5").c_str(),
              (directory / "loss.svg").c_str());
  return accuracy >= 0.98 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 ? argv[1] : "digits");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
