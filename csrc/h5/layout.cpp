#include "h5/layout.h"

#include <algorithm>
#include <mutex>
#include <string_view>
#include <unordered_set>

#include "h5/layout_driver.h"
#include "h5/layout_types.h"

namespace lamina::h5 {
namespace {

// Large tensors start on a block of the disk, so that they can be written past the page cache and
// mapped. Keras reads data at any offset.
constexpr hsize_t kAlignFrom = hsize_t{1} << 20;
constexpr hsize_t kAlignment = 4096;

// About what HDF5 1.10 spends on one old-style group and on one dataset header.
constexpr hsize_t kGroupBytes = 1100;
constexpr hsize_t kDatasetBytes = 320;
// Metadata is allocated in few pieces, so that writing it and opening the file take few calls; the
// last piece is wasted in part, hence not all in one.
constexpr hsize_t kBlocks = 8;
constexpr hsize_t kLargestCache = hsize_t{128} << 20;  // as much as HDF5 allows
constexpr hsize_t kSmallestBlock = 2048;               // HDF5's own default

/// HDF5's metadata cache holds all that is being made, so that little is evicted and read back.
/// Seen to help with a thousand datasets and not with twenty thousand (bench/README.md).
void set_cache_size(hid_t access, hsize_t metadata_bytes) {
  H5AC_cache_config_t config{};
  config.version = H5AC__CURR_CACHE_CONFIG_VERSION;
  checked(H5Pget_mdc_config(access, &config), "H5Pget_mdc_config", "layout");
  config.set_initial_size = true;
  config.initial_size = std::clamp<hsize_t>(4 * metadata_bytes, config.min_size, kLargestCache);
  config.max_size = std::max(config.max_size, config.initial_size);
  config.incr_mode = H5C_incr__off;
  config.flash_incr_mode = H5C_flash_incr__off;
  config.decr_mode = H5C_decr__off;
  checked(H5Pset_mdc_config(access, &config), "H5Pset_mdc_config", "layout");
}

/// Bytes of metadata to expect.
hsize_t metadata_estimate(const std::vector<LayoutGroup>& groups) {
  std::unordered_set<std::string_view> paths;
  hsize_t datasets = 0;
  for (const LayoutGroup& group : groups) {
    const std::string_view path = group.path;
    for (std::size_t end = path.size(); end != 0 && end != path.npos;
         end = path.rfind('/', end - 1)) {
      if (!paths.insert(path.substr(0, end)).second) break;
    }
    datasets += group.datasets.size();
  }
  return paths.size() * kGroupBytes + datasets * kDatasetBytes;
}

class Writer {
 public:
  Writer(DriverOutput& output, hsize_t metadata_bytes)
      : driver_(output),
        string_(string_type()),
        scalar_(H5Screate(H5S_SCALAR), "H5Screate", "scalar") {
    const hid_t access = driver_.access();
    // The bounds that h5py sets: superblock 0 and symbol-table groups, which every reader knows.
    checked(H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_LATEST),
            "H5Pset_libver_bounds", "layout");
    checked(H5Pset_alignment(access, kAlignFrom, kAlignment), "H5Pset_alignment", "layout");
    checked(H5Pset_meta_block_size(access, std::max(kSmallestBlock, metadata_bytes / kBlocks)),
            "H5Pset_meta_block_size", "layout");
    set_cache_size(access, metadata_bytes);
    file_ = Handle(H5Fcreate("lamina", H5F_ACC_TRUNC, H5P_DEFAULT, access), "H5Fcreate", "layout");
    links_ = Handle(H5Pcreate(H5P_LINK_CREATE), "H5Pcreate", "links");
    checked(H5Pset_create_intermediate_group(links_.get(), 1), "H5Pset_create_intermediate_group",
            "links");
    storage_ = Handle(H5Pcreate(H5P_DATASET_CREATE), "H5Pcreate", "datasets");
    checked(H5Pset_obj_track_times(storage_.get(), 0), "H5Pset_obj_track_times", "datasets");
    checked(H5Pset_layout(storage_.get(), H5D_CONTIGUOUS), "H5Pset_layout", "datasets");
    checked(H5Pset_alloc_time(storage_.get(), H5D_ALLOC_TIME_EARLY), "H5Pset_alloc_time",
            "datasets");
    checked(H5Pset_fill_time(storage_.get(), H5D_FILL_TIME_NEVER), "H5Pset_fill_time", "datasets");
  }

  Handle make_group(const LayoutGroup& group) {
    set_charset(group.path);
    Handle made(H5Gcreate2(file_.get(), group.path.c_str(), links_.get(), H5P_DEFAULT, H5P_DEFAULT),
                "H5Gcreate2", group.path);
    if (group.has_name) set_attribute(made.get(), "name", group.name, group.path);
    return made;
  }

  /// Where the dataset's bytes belong; 0 when it has none.
  std::uint64_t make_dataset(hid_t group, const LayoutDataset& dataset, const std::string& path) {
    set_charset(dataset.key);
    const Handle space = make_space(dataset.shape, path);
    const Handle made(H5Dcreate2(group, dataset.key.c_str(), type(dataset.dtype), space.get(),
                                 links_.get(), storage_.get(), H5P_DEFAULT),
                      "H5Dcreate2", path);
    if (dataset.dtype == DType::kBFloat16) set_attribute(made.get(), "dtype", "bfloat16", path);
    if (dataset.shape.size() == 0) return 0;
    const haddr_t offset = H5Dget_offset(made.get());
    if (offset == HADDR_UNDEF) raise_hdf5("H5Dget_offset", path);
    return offset;
  }

  void finish() { checked(H5Fclose(file_.release()), "H5Fclose", "layout"); }

 private:
  hid_t type(DType dtype) {
    Handle& cached = types_[static_cast<std::size_t>(dtype)];
    if (cached.get() < 0) cached = file_type(dtype);
    return cached.get();
  }

  static Handle make_space(const Shape& shape, const std::string& path) {
    if (shape.rank() == 0) return Handle(H5Screate(H5S_SCALAR), "H5Screate", path);
    const std::vector<hsize_t> dims(shape.begin(), shape.end());
    return Handle(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr),
                  "H5Screate_simple", path);
  }

  void set_attribute(hid_t object, const char* key, const std::string& value,
                     const std::string& path) {
    const Handle made(
        H5Acreate2(object, key, string_.get(), scalar_.get(), H5P_DEFAULT, H5P_DEFAULT),
        "H5Acreate2", path);
    const char* text = value.c_str();
    checked(H5Awrite(made.get(), string_.get(), &text), "H5Awrite", path);
  }

  void set_charset(const std::string& name) {
    const bool ascii =
        std::all_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x80; });
    const H5T_cset_t charset = ascii ? H5T_CSET_ASCII : H5T_CSET_UTF8;
    if (charset == charset_) return;
    checked(H5Pset_char_encoding(links_.get(), charset), "H5Pset_char_encoding", name);
    charset_ = charset;
  }

  LayoutDriver driver_;
  Handle string_;
  Handle scalar_;
  Handle file_;
  Handle links_;
  Handle storage_;
  Handle types_[static_cast<std::size_t>(DType::kBool) + 1];
  H5T_cset_t charset_ = H5T_CSET_ASCII;
};

std::vector<MetadataBlock> blocks(const SparseImage& image) {
  std::vector<MetadataBlock> out;
  for (const auto& [offset, bytes] : image.pieces()) {
    if (out.empty() || out.back().offset + out.back().bytes.size() != offset) {
      out.push_back({offset, {}});
    }
    out.back().bytes.insert(out.back().bytes.end(), bytes.begin(), bytes.end());
  }
  return out;
}

}  // namespace

void open_library() {
  checked(H5open(), "H5open", "layout");
}

Layout make_layout(const std::vector<LayoutGroup>& groups) {
  // HDF5 is not built for threads everywhere, and saves lay out on threads of their own.
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  const QuietErrors quiet;
  DriverOutput output;
  Layout layout;
  {
    Writer writer(output, metadata_estimate(groups));
    // All groups come before the first dataset: so their attributes' heap lies with the metadata.
    std::vector<Handle> made;
    made.reserve(groups.size());
    for (const LayoutGroup& group : groups) made.push_back(writer.make_group(group));
    for (std::size_t i = 0; i < groups.size(); ++i) {
      std::vector<std::uint64_t>& offsets = layout.offsets.emplace_back();
      for (const LayoutDataset& dataset : groups[i].datasets) {
        offsets.push_back(
            writer.make_dataset(made[i].get(), dataset, groups[i].path + "/" + dataset.key));
      }
      made[i] = Handle();
    }
    writer.finish();
  }
  layout.metadata = blocks(output.image);
  layout.file_size = output.end;
  return layout;
}

}  // namespace lamina::h5
