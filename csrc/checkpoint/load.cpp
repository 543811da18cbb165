#include <lamina/error.h>
#include <lamina/log.h>

#include "checkpoint/catalog.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/match.h"
#include "checkpoint/parallel.h"
#include "checkpoint/report.h"
#include "checkpoint/transfer.h"

namespace lamina::checkpoint {
namespace {

/// Every file is long enough for every tensor before the first is allocated.
void check_extents(const std::vector<Assignment>& assignments) {
  for (const auto& [variable, item] : assignments) {
    if (!item.dataset->offset) continue;
    const storage::ReadableFile& file = item.reader->file();
    const std::uint64_t start = item.reader->base() + *item.dataset->offset;
    if (start > file.size() || item.dataset->nbytes > file.size() - start) {
      throw FormatError("'" + file.path().string() + "' is cut short: '" + item.dataset->path +
                        "' lies beyond its end.");
    }
  }
}

std::uint64_t total_bytes(const std::vector<Assignment>& assignments) {
  std::uint64_t sum = 0;
  for (const Assignment& assignment : assignments) sum += assignment.item.dataset->nbytes;
  return sum;
}

/// Tensors with the datasets' elements, as the files type them.
std::vector<Tensor> read_all(const std::vector<Assignment>& assignments, Progress& progress) {
  std::vector<Tensor> tensors;
  std::vector<ReadExtent> plain;
  std::vector<std::size_t> others;
  for (const auto& [variable, item] : assignments) {
    Tensor& tensor =
        tensors.emplace_back(Tensor::empty(item.dataset->shape, *item.dataset->type.dtype));
    if (!item.dataset->plain) {
      others.push_back(tensors.size() - 1);
    } else if (tensor.nbytes() > 0) {
      plain.push_back(
          {&item.reader->file(), item.reader->base() + *item.dataset->offset, tensor.bytes()});
    }
  }
  read_extents(plain, progress);
  parallel_for(others.size(), io_threads(), [&](std::size_t i) {
    const CatalogItem& item = assignments[others[i]].item;
    item.reader->read(*item.dataset, tensors[others[i]].bytes());
    progress.add(tensors[others[i]].nbytes());
  });
  return tensors;
}

/// Makes of what was read what the variables hold. A bool of a file may be any byte; ours are 0
/// and 1.
void convert(const std::vector<Assignment>& assignments, std::vector<Tensor>& tensors) {
  parallel_for(tensors.size(), io_threads(), [&](std::size_t i) {
    if (tensors[i].dtype() == DType::kBool) {
      for (std::byte& b : tensors[i].bytes()) b = static_cast<std::byte>(b != std::byte{0});
    }
    tensors[i] = tensors[i].cast(assignments[i].variable->dtype());
  });
}

void give_warnings(const Match& match, const weights::WeightTree& tree, const Catalog& catalog) {
  for (const std::string& warning : match.warnings) warn(warning);
  for (const std::string& warning : skip_warnings(match, tree, catalog)) warn(warning);
  if (const std::string warning = unused_warning(match, catalog); !warning.empty()) warn(warning);
}

}  // namespace

// Everything that can fail comes before the first variable changes.
void load(const weights::WeightTree& tree, const std::filesystem::path& path,
          const LoadRequest& request, storage::Storage& storage) {
  const Catalog catalog(path, storage);
  if (tree.nodes.empty() || !tree.nodes.front().built) {
    throw ValueError(
        "You are loading weights into a model that has not yet been built. Try building the model "
        "first "
        "by calling it on some data or by using `build()`.");
  }
  const Match found = match(tree, catalog, request.skip);
  if (!found.mismatches.empty() && !request.skip_mismatch) {
    throw MismatchError(mismatch_report(found, tree, catalog));
  }
  check_extents(found.assignments);
  Progress progress(request.progress, total_bytes(found.assignments));
  std::vector<Tensor> tensors = read_all(found.assignments, progress);
  convert(found.assignments, tensors);
  give_warnings(found, tree, catalog);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    found.assignments[i].variable->assign(std::move(tensors[i]));
  }
}

}  // namespace lamina::checkpoint
