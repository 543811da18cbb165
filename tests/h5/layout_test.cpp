#include "h5/write/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>
#include <lamina/error.h>
#include <lamina/tensor.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <set>

#include "h5/read/reader.h"
#include "h5/write/field_writer.h"
#include "storage/storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"
#include "tests/h5/hdf5_image.h"

namespace lamina::h5 {
namespace {

using lamina::testing::TemporaryDirectory;

void write_layout(const Layout& layout, const std::filesystem::path& path) {
  const auto file = storage::posix().create(path);
  file->resize(layout.file_size);
  file->write_at(0, layout.metadata);
  file->close();
}

/// A file that libhdf5 opens.
struct Opened {
  explicit Opened(const std::filesystem::path& path, unsigned mode = H5F_ACC_RDONLY)
      : file(H5Fopen(path.c_str(), mode, H5P_DEFAULT), H5Fclose) {}
  test::Handle file;
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
#define LAMINA_DTYPE(enumerator, name, type, bits, floating) DType::enumerator,
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

TEST(Layout, PutsTensorsOneBehindTheOtherWhereTheyAreNotToBeAligned) {
  const TemporaryDirectory directory;
  std::mt19937 random(lamina::test::fresh_seed());
  std::vector<LayoutGroup> groups{{"/layers/a/vars", "a", true, {}},
                                  {"/layers/b/vars", "b", true, {}}};
  for (int i = 0; i < 12; ++i) {  // half of them large
    const auto rows = static_cast<std::int64_t>((i % 2 == 0 ? 40'000 : 1) + random() % 99);
    groups[i % 4 / 2].datasets.push_back({std::to_string(i), Shape{rows, 7}, DType::kFloat32});
  }
  const Layout layout = make_layout(groups, false);
  std::uint64_t at = layout.metadata.size();
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (std::size_t d = 0; d < groups[g].datasets.size(); ++d) {
      EXPECT_EQ(layout.offsets[g][d], at) << g << " " << d;
      at += static_cast<std::uint64_t>(groups[g].datasets[d].shape.size()) * 4;
    }
  }
  EXPECT_EQ(layout.file_size, at);
  write_layout(layout, directory / "f.h5");
  const Opened opened(directory / "f.h5");
  const test::Handle last(H5Dopen2(opened.file, "/layers/b/vars/11", H5P_DEFAULT), H5Dclose);
  EXPECT_EQ(H5Dget_offset(last), layout.offsets[1].back());
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
  pieces.emplace_back(0, layout.metadata.size());
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
  EXPECT_LT(layout.metadata.size(), 64u << 10);
}

/// What libhdf5 calls the type of a dataset that h5py makes of this dtype.
test::Handle type_of(DType dtype) {
  const auto copy = [](hid_t type) { return test::Handle(H5Tcopy(type), H5Tclose); };
  switch (dtype) {
    case DType::kFloat32:
      return copy(H5T_IEEE_F32LE);
    case DType::kFloat64:
      return copy(H5T_IEEE_F64LE);
    case DType::kFloat16: {
      test::Handle type = copy(H5T_IEEE_F32LE);
      test::checked(H5Tset_fields(type, 15, 10, 5, 0, 10));
      test::checked(H5Tset_size(type, 2));
      test::checked(H5Tset_ebias(type, 15));
      return type;
    }
    case DType::kBFloat16: {
      test::Handle type(H5Tcreate(H5T_OPAQUE, 2), H5Tclose);
      test::checked(H5Tset_tag(type, ""));
      return type;
    }
    case DType::kInt8:
      return copy(H5T_STD_I8LE);
    case DType::kInt16:
      return copy(H5T_STD_I16LE);
    case DType::kInt32:
      return copy(H5T_STD_I32LE);
    case DType::kInt64:
      return copy(H5T_STD_I64LE);
    case DType::kUInt8:
      return copy(H5T_STD_U8LE);
    case DType::kUInt16:
      return copy(H5T_STD_U16LE);
    case DType::kUInt32:
      return copy(H5T_STD_U32LE);
    case DType::kUInt64:
      return copy(H5T_STD_U64LE);
    case DType::kBool: {
      test::Handle type(H5Tenum_create(H5T_STD_I8LE), H5Tclose);
      const std::int8_t no = 0, yes = 1;
      test::checked(H5Tenum_insert(type, "FALSE", &no));
      test::checked(H5Tenum_insert(type, "TRUE", &yes));
      return type;
    }
  }
  __builtin_unreachable();
}

void expect_dataset(hid_t file, const std::string& path, const LayoutDataset& dataset,
                    std::uint64_t offset) {
  SCOPED_TRACE(path);
  const test::Handle id(H5Dopen2(file, path.c_str(), H5P_DEFAULT), H5Dclose);
  const test::Handle type(H5Dget_type(id), H5Tclose);
  EXPECT_GT(H5Tequal(type, type_of(dataset.dtype)), 0);
  const test::Handle space(H5Dget_space(id), H5Sclose);
  std::vector<hsize_t> dims(dataset.shape.rank()), most(dataset.shape.rank());
  ASSERT_EQ(H5Sget_simple_extent_ndims(space), static_cast<int>(dims.size()));
  test::checked(H5Sget_simple_extent_dims(space, dims.data(), most.data()));
  EXPECT_EQ(dims, std::vector<hsize_t>(dataset.shape.begin(), dataset.shape.end()));
  EXPECT_EQ(most, dims);
  const test::Handle creation(H5Dget_create_plist(id), H5Pclose);
  EXPECT_EQ(H5Pget_layout(creation), H5D_CONTIGUOUS);
  H5D_alloc_time_t allocated{};
  H5D_fill_time_t filled{};
  H5D_fill_value_t value{};
  test::checked(H5Pget_alloc_time(creation, &allocated));
  test::checked(H5Pget_fill_time(creation, &filled));
  test::checked(H5Pfill_value_defined(creation, &value));
  EXPECT_EQ(allocated, H5D_ALLOC_TIME_EARLY);
  EXPECT_EQ(filled, H5D_FILL_TIME_NEVER);
  EXPECT_EQ(value, H5D_FILL_VALUE_DEFAULT);
  if (dataset.shape.size() == 0) {
    EXPECT_EQ(offset, 0u);
    EXPECT_EQ(H5Dget_offset(id), HADDR_UNDEF);
  } else {
    EXPECT_EQ(H5Dget_offset(id), offset);
    EXPECT_EQ(H5Dget_storage_size(id), dataset.shape.size() * dtype_size(dataset.dtype));
  }
  EXPECT_EQ(H5Aget_num_attrs(id), dataset.dtype == DType::kBFloat16 ? 1 : 0);
}

using Names = std::vector<std::string>;

/// Every object of a file, as libhdf5 walks it.
Names visit(hid_t file) {
  Names names;
  test::checked(H5Lvisit(
      file, H5_INDEX_NAME, H5_ITER_INC,
      [](hid_t, const char* name, const H5L_info_t*, void* out) noexcept -> herr_t {
        static_cast<Names*>(out)->push_back(std::string("/") + name);
        return 0;
      },
      &names));
  std::sort(names.begin(), names.end());
  return names;
}

/// Groups within groups, of each width of a symbol table and of a tree's node, and one beyond.
std::vector<LayoutGroup> random_groups(std::mt19937& random) {
  const std::size_t widths[] = {0, 1, 7, 8, 9, 255, 256, 257};
  const auto name = [&](std::size_t i) {
    static constexpr const char* kParts[] = {"a", "B_", "layer_norm_", "0", "\xc3\xa9", "~ "};
    return kParts[random() % std::size(kParts)] + std::to_string(i * 7919 % 10'007);
  };
  std::vector<LayoutGroup> groups;
  for (std::size_t g = 0; g < 40; ++g) {
    LayoutGroup group;
    const bool nested = g > 0 && random() % 3 == 0;
    group.path = (nested ? groups[random() % g].path : "") + "/" + name(5'000 + g) + "/vars";
    group.has_name = random() % 4 != 0;
    group.name = std::string(random() % 5 == 0 ? 0 : random() % 90, 'x');
    const std::size_t width =
        random() % 2 == 0 ? random() % 12 : widths[random() % std::size(widths)];
    for (std::size_t d = 0; d < width; ++d) {
      Shape shape;
      for (auto rank = random() % 5; rank > 0; --rank) {
        shape.push_back(static_cast<std::int64_t>(random() % 6));
      }
      group.datasets.push_back({name(d), shape, kAll[random() % std::size(kAll)]});
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

void expect_file(const std::filesystem::path& path, const std::vector<LayoutGroup>& groups,
                 const Layout& layout) {
  const Opened opened(path);
  std::set<std::string> expected;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const LayoutGroup& group = groups[g];
    for (std::size_t end = group.path.size(); end > 0; end = group.path.rfind('/', end - 1)) {
      expected.insert(group.path.substr(0, end));
    }
    EXPECT_EQ(read_string(opened.file, group.path.c_str(), "name"),
              group.has_name ? group.name : "no attribute");
    for (std::size_t d = 0; d < group.datasets.size(); ++d) {
      const std::string whole = group.path + "/" + group.datasets[d].key;
      expected.insert(whole);
      expect_dataset(opened.file, whole, group.datasets[d], layout.offsets[g][d]);
    }
  }
  EXPECT_EQ(visit(opened.file), Names(expected.begin(), expected.end()));
}

TEST(Layout, OfRandomGroupsIsWhatHdf5Finds) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const TemporaryDirectory directory;
  for (int round = 0; round < 4; ++round) {
    const std::vector<LayoutGroup> groups = random_groups(random);
    const Layout layout = make_layout(groups);
    write_layout(layout, directory / "f.h5");
    expect_file(directory / "f.h5", groups, layout);

    const Reader reader(storage::posix().open(directory / "f.h5"));
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const auto found = reader.look_at(groups[g].path);
      ASSERT_TRUE(found) << groups[g].path;
      EXPECT_EQ(found->problem, "");
      EXPECT_EQ(found->name, groups[g].has_name ? std::optional(groups[g].name) : std::nullopt);
      for (std::size_t d = 0; d < groups[g].datasets.size(); ++d) {
        const Dataset& dataset = found->datasets.at(groups[g].datasets[d].key);
        EXPECT_EQ(dataset.shape, groups[g].datasets[d].shape);
        EXPECT_EQ(dataset.type.dtype, groups[g].datasets[d].dtype);
        EXPECT_EQ(dataset.offset.value_or(0), layout.offsets[g][d]);
        EXPECT_EQ(dataset.order, d);
      }
    }
    EXPECT_THAT(reader.problems(), ::testing::IsEmpty());
  }
}

TEST(Layout, OfTenThousandLinksInAGroupHasThreeLevels) {
  std::vector<LayoutGroup> groups;
  for (int g = 0; g < 10'000; ++g) {
    const std::string name = "dense_" + std::to_string(g);
    groups.push_back({"/layers/" + name + "/vars", name, true, {{"0", Shape{3}, DType::kInt8}}});
  }
  const TemporaryDirectory directory;
  const Layout layout = make_layout(groups);
  write_layout(layout, directory / "f.h5");
  const Opened opened(directory / "f.h5");
  const test::Handle layers(H5Gopen2(opened.file, "/layers", H5P_DEFAULT), H5Gclose);
  H5G_info_t info{};
  test::checked(H5Gget_info(layers, &info));
  EXPECT_EQ(info.nlinks, 10'000u);
  for (int g = 0; g < 10'000; g += 1 + g % 7) {
    ASSERT_EQ(read_string(opened.file, groups[g].path.c_str(), "name"), groups[g].name);
    const std::string path = groups[g].path + "/0";
    const test::Handle id(H5Dopen2(opened.file, path.c_str(), H5P_DEFAULT), H5Dclose);
    ASSERT_EQ(H5Dget_offset(id), layout.offsets[g][0]);
  }
}

// Whoever opens such a file for writing finds full tables, full nodes and heaps without room.
TEST(Layout, IsAFileThatHdf5CanGoOnWriting) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const TemporaryDirectory directory;
  std::vector<LayoutGroup> groups = random_groups(random);
  const Layout layout = make_layout(groups);
  write_layout(layout, directory / "f.h5");
  Names expected;
  {
    const Opened opened(directory / "f.h5", H5F_ACC_RDWR);
    const test::Handle scalar(H5Screate(H5S_SCALAR), H5Sclose);
    const test::Handle text(H5Tcopy(H5T_C_S1), H5Tclose);
    test::checked(H5Tset_size(text, H5T_VARIABLE));
    for (const LayoutGroup& group : groups) {
      for (std::size_t d = 0; d < group.datasets.size(); d += 2) {
        test::checked(H5Ldelete(opened.file, (group.path + "/" + group.datasets[d].key).c_str(),
                                H5P_DEFAULT));
      }
      if (group.has_name) {
        test::checked(H5Adelete_by_name(opened.file, group.path.c_str(), "name", H5P_DEFAULT));
      }
      for (int more = 0; more < 40; ++more) {
        const std::string path =
            group.path + "/more_" + std::to_string(random()) + "_" + std::to_string(more);
        const test::Handle id(H5Dcreate2(opened.file, path.c_str(), H5T_IEEE_F32LE, scalar,
                                         H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                              H5Dclose);
        const test::Handle attribute(H5Acreate2(id, "of", text, scalar, H5P_DEFAULT, H5P_DEFAULT),
                                     H5Aclose);
        const char* value = path.c_str();
        test::checked(H5Awrite(attribute, text, &value));
      }
    }
    expected = visit(opened.file);
  }
  const Opened opened(directory / "f.h5");
  EXPECT_EQ(visit(opened.file), expected);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    EXPECT_EQ(read_string(opened.file, groups[g].path.c_str(), "name"), "no attribute");
    for (std::size_t d = 1; d < groups[g].datasets.size(); d += 2) {
      expect_dataset(opened.file, groups[g].path + "/" + groups[g].datasets[d].key,
                     groups[g].datasets[d], layout.offsets[g][d]);
    }
  }
}

TEST(Layout, PutsLargeTensorsFirstAndTheLastGroupLast) {
  const auto large = [](const char* key) {
    return LayoutDataset{key, Shape{1 << 18}, DType::kFloat32};
  };
  const std::vector<LayoutGroup> groups{
      {"/a", "", true, {{"0", Shape{5}, DType::kInt8}, large("1")}},
      {"/b", "", true, {large("0"), {"1", Shape{7}, DType::kFloat64}}},
      {"/c", "", false, {{"0", Shape{16}, DType::kUInt8}}}};
  const Layout layout = make_layout(groups);
  const auto at = [&](int g, int d) { return layout.offsets[g][d]; };
  EXPECT_EQ(at(0, 1), (layout.metadata.size() + 4095) / 4096 * 4096);
  EXPECT_EQ(at(1, 0), at(0, 1) + (1u << 20));
  EXPECT_EQ(at(0, 0), at(1, 0) + (1u << 20));
  EXPECT_EQ(at(1, 1), at(0, 0) + 5);
  EXPECT_EQ(at(2, 0), at(1, 1) + 56);
  EXPECT_EQ(layout.file_size, at(2, 0) + 16);
}

/// The message with which a layout is refused.
std::string refusal(const std::vector<LayoutGroup>& groups) {
  try {
    (void)make_layout(groups);
  } catch (const FormatError& error) {
    return error.what();
  }
  return "not refused";
}

TEST(Layout, RefusesWhatHdf5CannotHold) {
  using ::testing::HasSubstr;
  const LayoutDataset one{"0", Shape{1}, DType::kInt8};
  const std::string twice = "'/vars/0' cannot be made: an object of that name exists.";
  EXPECT_EQ(refusal({{"/vars", "m", true, {one, one}}}), twice);
  EXPECT_EQ(refusal({{"/vars", "m", true, {one}}, {"/vars/0", "m", true, {}}}), twice);
  EXPECT_EQ(refusal({{"/vars", "m", true, {one}}, {"/vars", "m", true, {}}}),
            "'/vars' cannot be made: an object of that name exists.");
  for (const std::string& name :
       {std::string(), std::string("."), std::string("a\0b", 3), std::string(4097, 'n')}) {
    EXPECT_THAT(refusal({{"/" + name, "m", true, {}}}), HasSubstr("names of 1 to 4096 bytes"));
    EXPECT_THAT(refusal({{"/vars", "m", true, {{name, Shape{}, DType::kInt8}}}}),
                HasSubstr("names of 1 to 4096 bytes"));
  }
  EXPECT_EQ(refusal({{"vars", "m", true, {}}}), "'vars' is no absolute path.");
  EXPECT_EQ(
      refusal(
          {{"/vars", "m", true, {{"0", Shape(std::vector<std::int64_t>(33, 1)), DType::kInt8}}}})
          .substr(0, 22),
      "'/vars/0' has the shap");
  EXPECT_THAT(refusal({{"/vars", "m", true, {{"0", Shape{1L << 60, 4}, DType::kFloat64}}}}),
              HasSubstr("longer than a file"));
  EXPECT_EQ(refusal({{"/vars", "m", true, {{std::string(4096, 'n'), Shape{}, DType::kInt8}}}}),
            "not refused");
}

TEST(Layout, TakesAKeyThatIsAPath) {
  const std::vector<LayoutGroup> groups{
      {"/vars", "m", true, {{"a/b/c", Shape{2}, DType::kInt8}, {"a/d", Shape{3}, DType::kInt8}}},
      {"/vars/a", "a", true, {{"e", Shape{}, DType::kInt8}}}};
  const TemporaryDirectory directory;
  const Layout layout = make_layout(groups);
  write_layout(layout, directory / "f.h5");
  const Opened opened(directory / "f.h5");
  EXPECT_EQ(visit(opened.file),
            (Names{"/vars", "/vars/a", "/vars/a/b", "/vars/a/b/c", "/vars/a/d", "/vars/a/e"}));
  expect_dataset(opened.file, "/vars/a/b/c", groups[0].datasets[0], layout.offsets[0][0]);
  expect_dataset(opened.file, "/vars/a/d", groups[0].datasets[1], layout.offsets[0][1]);
  EXPECT_EQ(read_string(opened.file, "/vars/a", "name"), "a");
}

TEST(FieldWriter, NeverPassesTheEndOfItsPlace) {
  std::byte bytes[5]{};
  FieldWriter out(bytes);
  out.u32(0x04030201);
  EXPECT_THROW(out.u16(7), std::logic_error);
  out.u8(5);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(bytes[i], std::byte(i + 1));
}

}  // namespace
}  // namespace lamina::h5
