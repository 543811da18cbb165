#include "h5/layout.h"

#include <gtest/gtest.h>
#include <hdf5.h>
#include <lamina/error.h>
#include <lamina/tensor.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "h5/layout_image.h"
#include "storage/storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::h5 {
namespace {

using lamina::testing::TemporaryDirectory;

void write_layout(const Layout& layout, const std::filesystem::path& path) {
  const auto file = storage::posix().create(path);
  file->resize(layout.file_size);
  for (const MetadataBlock& block : layout.metadata) file->write_at(block.offset, block.bytes);
  file->close();
}

/// Opens a file with HDF5's own driver; everything is closed with it.
struct Opened {
  explicit Opened(const std::filesystem::path& path)
      : file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT)) {}
  ~Opened() { H5Fclose(file); }
  hid_t file;
};

std::string read_string(hid_t file, const char* object, const char* attribute) {
  const hid_t id = H5Aopen_by_name(file, object, attribute, H5P_DEFAULT, H5P_DEFAULT);
  if (id < 0) return "no attribute";
  const hid_t type = H5Aget_type(id);
  EXPECT_GT(H5Tis_variable_str(type), 0);
  EXPECT_EQ(H5Tget_cset(type), H5T_CSET_UTF8);
  char* text = nullptr;
  EXPECT_GE(H5Aread(id, type, &text), 0);
  const std::string out = text;
  H5free_memory(text);
  H5Tclose(type);
  H5Aclose(id);
  return out;
}

constexpr DType kAll[] = {
#define LAMINA_DTYPE(enumerator, name, type, bits) DType::enumerator,
#include <lamina/dtype.def>
#undef LAMINA_DTYPE
};

TEST(Layout, GivesAFileThatHdf5ReadsWithTheTensorsAtTheirOffsets) {
  const TemporaryDirectory directory;
  std::vector<LayoutGroup> groups{{"/vars", "model", true, {}},
                                  {"/layers/d\xc3\xa9nse/vars", "na\xc3\xafve", true, {}},
                                  {"/layers/continued/vars", "unused", false, {}}};
  for (const DType dtype : kAll) {
    groups[1].datasets.push_back({std::string(dtype_name(dtype)), Shape{3, 5}, dtype});
    groups[2].datasets.push_back({std::to_string(groups[2].datasets.size()), Shape{}, dtype});
  }
  const Layout layout = make_layout(groups);
  write_layout(layout, directory / "f.h5");

  const Opened opened(directory / "f.h5");
  ASSERT_GE(opened.file, 0);
  EXPECT_EQ(read_string(opened.file, "/vars", "name"), "model");
  EXPECT_EQ(read_string(opened.file, "/layers/d\xc3\xa9nse/vars", "name"), "na\xc3\xafve");
  EXPECT_EQ(read_string(opened.file, "/layers/d\xc3\xa9nse/vars/bfloat16", "dtype"), "bfloat16");
  EXPECT_EQ(H5Aexists_by_name(opened.file, "/layers/continued/vars", "name", H5P_DEFAULT), 0);
  for (std::size_t g = 1; g < groups.size(); ++g) {
    ASSERT_EQ(layout.offsets[g].size(), groups[g].datasets.size());
    for (std::size_t d = 0; d < groups[g].datasets.size(); ++d) {
      const std::string path = groups[g].path + "/" + groups[g].datasets[d].key;
      const hid_t id = H5Dopen2(opened.file, path.c_str(), H5P_DEFAULT);
      ASSERT_GE(id, 0) << path;
      EXPECT_EQ(H5Dget_offset(id), layout.offsets[g][d]) << path;
      const hid_t type = H5Dget_type(id);
      EXPECT_EQ(H5Tget_size(type), dtype_size(groups[g].datasets[d].dtype)) << path;
      H5Tclose(type);
      H5Dclose(id);
    }
  }
}

TEST(Layout, KeepsPiecesApart) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::vector<LayoutGroup> groups;
  for (int g = 0; g < 60; ++g) {
    LayoutGroup& group = groups.emplace_back();
    group.path = "/layers/x_" + std::to_string(g) + "/vars";
    group.name = std::string(random() % 300, 'n');
    for (unsigned d = 0; d < random() % 12; ++d) {
      const auto rows =
          static_cast<std::int64_t>(random() % 4 == 0 ? random() % 90'000 : random() % 9);
      group.datasets.push_back(
          {std::to_string(d), Shape{rows, 7}, kAll[random() % std::size(kAll)]});
    }
  }
  const Layout layout = make_layout(groups);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> pieces;
  for (const auto& block : layout.metadata) pieces.emplace_back(block.offset, block.bytes.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (std::size_t d = 0; d < groups[g].datasets.size(); ++d) {
      const auto& dataset = groups[g].datasets[d];
      const std::uint64_t bytes = dataset.shape.size() * dtype_size(dataset.dtype);
      EXPECT_EQ(layout.offsets[g][d] == 0, bytes == 0);
      if (bytes == 0) continue;
      EXPECT_TRUE(bytes < (1u << 20) || layout.offsets[g][d] % 4096 == 0);
      pieces.emplace_back(layout.offsets[g][d], bytes);
    }
  }
  std::sort(pieces.begin(), pieces.end());
  for (std::size_t i = 1; i < pieces.size(); ++i) {
    EXPECT_LE(pieces[i - 1].first + pieces[i - 1].second, pieces[i].first);
  }
  EXPECT_LE(pieces.back().first + pieces.back().second, layout.file_size);
}

TEST(Layout, OfATerabyteCostsItsMetadataOnly) {
  const std::vector<LayoutGroup> groups{
      {"/vars", "huge", true, {{"0", Shape{1 << 19, 1 << 19}, DType::kFloat32}}}};
  const Layout layout = make_layout(groups);
  EXPECT_GT(layout.file_size, std::uint64_t{1} << 40);
  std::size_t metadata = 0;
  for (const auto& block : layout.metadata) metadata += block.bytes.size();
  EXPECT_LT(metadata, 64u << 10);
}

TEST(Layout, RefusesTwoDatasetsOfOneNameWithHdf5sReason) {
  const std::vector<LayoutGroup> groups{
      {"/vars", "m", true, {{"0", Shape{1}, DType::kInt8}, {"0", Shape{1}, DType::kInt8}}}};
  try {
    (void)make_layout(groups);
    FAIL();
  } catch (const FormatError& error) {
    EXPECT_NE(std::string(error.what()).find("'/vars/0'"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("exists"), std::string::npos) << error.what();
  }
}

TEST(SparseImage, GivesBackWhatWasWrittenLastAndZerosElsewhere) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  SparseImage image;
  std::vector<std::byte> model(5000);
  for (int step = 0; step < 3000; ++step) {
    const std::size_t at = random() % 4900, n = random() % 100;
    std::vector<std::byte> bytes(n);
    for (std::byte& b : bytes) b = static_cast<std::byte>(random());
    image.write(at, bytes);
    std::copy(bytes.begin(), bytes.end(), model.begin() + static_cast<std::ptrdiff_t>(at));
    const std::size_t from = random() % 4900;
    std::vector<std::byte> out(random() % 100, std::byte{0xa5});
    image.read(from, out);
    ASSERT_TRUE(
        std::equal(out.begin(), out.end(), model.begin() + static_cast<std::ptrdiff_t>(from)));
  }
  std::uint64_t end = 0;
  for (const auto& [offset, bytes] : image.pieces()) {
    EXPECT_GE(offset, end);
    end = offset + bytes.size();
  }
}

}  // namespace
}  // namespace lamina::h5
