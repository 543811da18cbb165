#include <gmock/gmock.h>
#include <lamina/error.h>
#include <sys/stat.h>
#include <zlib.h>

#include <fstream>
#include <memory>

#include "checkpoint/checkpoint.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/cost_of.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"
#include "tests/h5/hdf5_image.h"

// Files made to do harm, given to a load: an error that names file and path, soon, in little
// memory, and the model as it was.
namespace lamina::checkpoint {
namespace {

using h5::test::checked;
using h5::test::Format;
using h5::test::Handle;
using h5::test::Hdf5Image;
using lamina::testing::poisoned_copy;
using lamina::testing::random_tensor;
using lamina::testing::same_values;
using lamina::testing::snapshot;
using ::testing::HasSubstr;
using namespace std::string_literals;

constexpr int kLayers = 6;
constexpr hsize_t kRows = 8, kColumns = 30;

/// A gigabyte of zeros as zlib packs it: about one megabyte.
const std::vector<Bytef>& packed_gigabyte() {
  static std::vector<Bytef> packed;
  if (!packed.empty()) return packed;
  const std::vector<Bytef> zeros(std::size_t{1} << 20);
  packed.resize(std::size_t{2} << 20);
  z_stream stream{};
  if (deflateInit(&stream, 9) != Z_OK) throw std::runtime_error("deflateInit failed");
  stream.next_out = packed.data();
  stream.avail_out = static_cast<uInt>(packed.size());
  int status = Z_OK;
  for (int megabyte = 0; megabyte <= 1024 && status == Z_OK; ++megabyte) {
    stream.next_in = const_cast<Bytef*>(zeros.data());
    stream.avail_in = static_cast<uInt>(megabyte < 1024 ? zeros.size() : 0);
    status = deflate(&stream, megabyte < 1024 ? Z_NO_FLUSH : Z_FINISH);
  }
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (status != Z_STREAM_END) throw std::runtime_error("deflate failed");
  return packed;
}

class HostileFiles : public ::testing::Test {
 protected:
  HostileFiles() {
    for (int i = 0; i < kLayers; ++i) {
      const std::string name = fmt::format("x_{}", i);
      builder_.layer("layers/" + name, name,
                     {random_tensor(random_, {kRows, kColumns}, DType::kFloat32),
                      random_tensor(random_, {kColumns}, DType::kFloat32)});
    }
  }

  std::filesystem::path file(const std::string& name) { return directory_ / name; }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(file(name), std::ios::binary | std::ios::trunc) << text;
  }

  void write(const std::string& name, Hdf5Image& image) {
    const std::vector<std::byte> bytes = image.bytes();
    write(name, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }

  /// Good weights for the layers from `first` on.
  void good_layers(Hdf5Image& image, int first) {
    const std::vector<float> values(kRows * kColumns, 1.5F);
    for (int i = first; i < kLayers; ++i) {
      const std::string vars = fmt::format("layers/x_{}/vars", i);
      image.dataset(vars + "/0", H5T_IEEE_F32LE, {kRows, kColumns}, values.data());
      image.dataset(vars + "/1", H5T_IEEE_F32LE, {kColumns}, values.data());
    }
  }

  /// The first layer's kernel is one chunk, whose bytes in the file unpack to a gigabyte of zeros.
  std::unique_ptr<Hdf5Image> image_with_chunk(Format format, const std::vector<hsize_t>& chunk,
                                              const std::vector<hsize_t>& maximum) {
    auto image = std::make_unique<Hdf5Image>(format);
    good_layers(*image, 1);
    const Handle list = h5::test::chunked(chunk);
    checked(H5Pset_deflate(list, 6));
    image->dataset("layers/x_0/vars/0", H5T_IEEE_F32LE, {kRows, kColumns}, nullptr, list, maximum);
    const std::vector<float> bias(kColumns);
    image->dataset("layers/x_0/vars/1", H5T_IEEE_F32LE, {kColumns}, bias.data());
    const Handle dataset(H5Dopen2(image->file(), "layers/x_0/vars/0", H5P_DEFAULT), H5Dclose);
    const std::vector<Bytef>& packed = packed_gigabyte();
    const hsize_t origin[] = {0, 0};
    checked(H5Dwrite_chunk(dataset, H5P_DEFAULT, 0, origin, packed.size(), packed.data()));
    return image;
  }

  /// The message of the lamina::Error that a load throws.
  std::string refusal(const std::string& name) {
    const auto copy = poisoned_copy(builder_.tree);
    const auto before = snapshot(copy);
    lamina::testing::CapturedWarnings warnings;
    std::string message;
    const auto cost = lamina::testing::cost_of([&] {
      try {
        load(copy, file(name), {});
        ADD_FAILURE() << name << " was loaded";
      } catch (const Error& error) {
        message = error.what();
      }
    });
    lamina::testing::expect_at_most(cost, lamina::testing::kMostForBadInput);
    EXPECT_TRUE(same_values(snapshot(copy), before));
    EXPECT_THAT(message, HasSubstr(directory_.path().string()));
    return message;
  }

  std::string refusal_of(Hdf5Image& image) {
    write("m.weights.h5", image);
    return refusal("m.weights.h5");
  }

  std::string index_of(const std::string& shard) {
    return R"({"metadata": {"total_size": 1.0}, "weight_map": {"/layers/x_0/vars": ")" + shard +
           "\"}}";
  }

  lamina::testing::TemporaryDirectory directory_{lamina::testing::memory_directory()};
  std::mt19937 random_{lamina::test::fresh_seed()};
  lamina::testing::TreeBuilder builder_;
};

class HostileFormats : public HostileFiles, public ::testing::WithParamInterface<Format> {};

TEST_P(HostileFormats, GoodOnesLoad) {
  Hdf5Image image(GetParam());
  good_layers(image, 0);
  write("m.weights.h5", image);
  const auto copy = poisoned_copy(builder_.tree);
  load(copy, file("m.weights.h5"), {});
  EXPECT_EQ(copy.nodes[1].variables[0].variable->value().data<float>()[0], 1.5F);
}

TEST_P(HostileFormats, SoftLinksAreRefused) {
  Hdf5Image image(GetParam());
  good_layers(image, 1);
  image.group("layers/x_0");
  checked(H5Lcreate_soft("/layers/x_1/vars", image.file(), "layers/x_0/vars", H5P_DEFAULT,
                         H5P_DEFAULT));
  EXPECT_THAT(refusal_of(image), HasSubstr("/layers/x_0/vars: Not allowed: H5 file with "
                                           "SoftLink"));
}

TEST_P(HostileFormats, SoftLinksInsteadOfDatasetsAreRefused) {
  Hdf5Image image(GetParam());
  good_layers(image, 1);
  image.group("layers/x_0/vars");
  checked(H5Lcreate_soft("/layers/x_1/vars/0", image.file(), "layers/x_0/vars/0", H5P_DEFAULT,
                         H5P_DEFAULT));
  EXPECT_THAT(refusal_of(image), HasSubstr("/layers/x_0/vars"));
}

TEST_P(HostileFormats, ExternalLinksAreRefused) {
  Hdf5Image image(GetParam());
  good_layers(image, 1);
  checked(
      H5Lcreate_external("/etc/passwd", "/", image.file(), "layers/x_0", H5P_DEFAULT, H5P_DEFAULT));
  EXPECT_THAT(refusal_of(image), HasSubstr("/layers/x_0: Not allowed: H5 file with "
                                           "ExternalLink"));
}

TEST_P(HostileFormats, ExternalDataIsRefused) {
  Hdf5Image image(GetParam());
  good_layers(image, 1);
  const Handle external = h5::test::creation_list();
  checked(H5Pset_external(external, "/etc/passwd", 0, kRows * kColumns * 4));
  image.dataset("layers/x_0/vars/0", H5T_IEEE_F32LE, {kRows, kColumns}, nullptr, external);
  EXPECT_THAT(refusal_of(image), HasSubstr("/layers/x_0/vars/0: Not allowed: H5 file with "
                                           "external Dataset"));
}

TEST_P(HostileFormats, ShapeBombsAreRefused) {
  Hdf5Image image(GetParam());
  good_layers(image, 1);
  const Handle list = h5::test::chunked({1 << 20});
  checked(H5Pset_deflate(list, 6));
  image.dataset("layers/x_0/vars/0", H5T_IEEE_F32LE, {hsize_t{1} << 33}, nullptr, list);
  EXPECT_THAT(refusal_of(image), HasSubstr("'/layers/x_0/vars/0' declares 32.00 GB"));
}

TEST_P(HostileFormats, ManySmallShapeBombsAreRefusedTogether) {
  Hdf5Image image(GetParam());
  for (int i = 0; i < kLayers; ++i) {
    image.dataset(fmt::format("layers/x_{}/vars/0", i), H5T_IEEE_F32LE, {hsize_t{1} << 28},
                  nullptr);
  }
  EXPECT_THAT(refusal_of(image), HasSubstr("together"));
}

TEST_P(HostileFormats, DeflateBombsAreRefused) {
  // A chunk that fits the model, and whose compressed bytes unpack to a gigabyte.
  EXPECT_THAT(refusal_of(*image_with_chunk(GetParam(), {kRows, kColumns}, {kRows, kColumns})),
              HasSubstr("/layers/x_0/vars/0"));
}

TEST_P(HostileFormats, ChunksFarLargerThanTheirDataAreRefused) {
  // Honest about its gigabyte, of which the model wants one row in a million.
  const hsize_t rows = (hsize_t{1} << 30) / (kColumns * 4) + 1;
  EXPECT_THAT(
      refusal_of(*image_with_chunk(GetParam(), {rows, kColumns}, {H5S_UNLIMITED, kColumns})),
      HasSubstr("/layers/x_0/vars/0"));
}

TEST_P(HostileFormats, TextInsteadOfNumbersIsRefused) {
  Hdf5Image image(GetParam());
  good_layers(image, 1);
  const Handle text(H5Tcopy(H5T_C_S1), H5Tclose);
  checked(H5Tset_size(text, 4));
  const std::string values(kRows * kColumns * 4, 'x');
  image.dataset("layers/x_0/vars/0", text, {kRows, kColumns}, values.data());
  image.dataset("layers/x_0/vars/1", text, {kColumns}, values.data());
  EXPECT_THAT(refusal_of(image), HasSubstr("/layers/x_0/vars/0"));
}

TEST_P(HostileFormats, KeysThatAreNoNumbersAreRefused) {
  Hdf5Image image(GetParam());
  good_layers(image, 1);
  const std::vector<float> values(kRows * kColumns);
  image.dataset("layers/x_0/vars/kernel", H5T_IEEE_F32LE, {kRows, kColumns}, values.data());
  image.dataset("layers/x_0/vars/bias", H5T_IEEE_F32LE, {kColumns}, values.data());
  EXPECT_THAT(refusal_of(image), HasSubstr("/layers/x_0/vars"));
}

TEST_P(HostileFormats, FilesCutAtEvery512thByteAreRefused) {
  Hdf5Image image(GetParam());
  good_layers(image, 0);
  const std::vector<std::byte> bytes = image.bytes();
  const std::string whole(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (std::size_t size = 0; size < whole.size(); size += 512) {
    SCOPED_TRACE(size);
    write("m.weights.h5", whole.substr(0, size));
    EXPECT_NE(refusal("m.weights.h5"), "");
  }
}

INSTANTIATE_TEST_SUITE_P(Both, HostileFormats,
                         ::testing::Values(Format::kEarliest, Format::kLatest),
                         [](const auto& info) {
                           return info.param == Format::kEarliest ? "Earliest" : "Latest";
                         });

TEST_F(HostileFiles, VirtualDataIsRefused) {
  Hdf5Image image(Format::kLatest);
  good_layers(image, 1);
  const Handle mapped = h5::test::creation_list();
  const hsize_t size = kRows * kColumns;
  const Handle space(H5Screate_simple(1, &size, nullptr), H5Sclose);
  checked(H5Pset_virtual(mapped, space, "other.h5", "/x", space));
  image.dataset("layers/x_0/vars/0", H5T_IEEE_F32LE, {size}, nullptr, mapped);
  EXPECT_THAT(refusal_of(image), HasSubstr("/layers/x_0/vars/0: Not allowed: H5 file with "
                                           "virtual Dataset"));
}

TEST_F(HostileFiles, IndicesThatLeaveTheirDirectoryAreRefused) {
  for (const std::string name : {"../m.weights.h5", "/etc/passwd", "a/b.weights.h5", "..", ".", "",
                                 "a\\\\b.weights.h5", "a\\u0000.weights.h5"}) {
    SCOPED_TRACE(name);
    write("m.weights.json", index_of(name));
    EXPECT_THAT(refusal("m.weights.json"), HasSubstr("Invalid name"));
  }
}

TEST_F(HostileFiles, IndicesThatNameNoRegularFileAreRefused) {
  write("m.weights.json", index_of("m_00000.weights.h5"));
  EXPECT_THAT(refusal("m.weights.json"), HasSubstr("m_00000.weights.h5"));  // missing
  std::filesystem::create_directory(file("m_00000.weights.h5"));
  EXPECT_THAT(refusal("m.weights.json"), HasSubstr("m_00000.weights.h5"));
  std::filesystem::remove(file("m_00000.weights.h5"));
  ASSERT_EQ(::mkfifo(file("m_00000.weights.h5").c_str(), 0600), 0);
  EXPECT_THAT(refusal("m.weights.json"), HasSubstr("m_00000.weights.h5"));
  std::filesystem::remove(file("m_00000.weights.h5"));
  std::filesystem::create_symlink("/dev/zero", file("m_00000.weights.h5"));
  EXPECT_THAT(refusal("m.weights.json"), HasSubstr("m_00000.weights.h5"));
  write("m.weights.json", index_of("m.weights.json"));  // itself
  EXPECT_THAT(refusal("m.weights.json"), HasSubstr("file signature not found"));
}

TEST_F(HostileFiles, IndicesThatAreHugeOrDeepAreRefused) {
  std::string many = R"({"weight_map": {)", names;
  for (int i = 0; i < 400'000; ++i) many += fmt::format("\"/l{}/vars\": \"a{}\",", i, i);
  many += R"("/x/vars": "m_00000.weights.h5"}})";
  for (int i = 0; i < 800'000; ++i) names += fmt::format("\"a{}\",", i);
  const std::string bad[] = {
      std::string(1'000'000, '['),
      R"({"weight_map": )" + std::string(1'000'000, '['),
      R"({"metadata": )" + std::string(1'000'000, '{'),
      std::string(40'000'000, ' '),
      R"({"weight_map": {"/a/vars": ")" + std::string(15'000'000, 'a') + "\"}}",
      R"({"weight_map": {"/a/vars": [)" + names + "\"a\"]}}",
      many,
  };
  for (const std::string& text : bad) {
    SCOPED_TRACE(text.substr(0, 30));
    write("m.weights.json", text);
    EXPECT_THAT(refusal("m.weights.json"), HasSubstr("m.weights.json"));
  }
}

TEST_F(HostileFiles, TextsThatAreNoIndexAreRefused) {
  for (const std::string text :
       {"", "null", "[]", "1", "{}", "{", "\"weight_map\"", "{\"weight_map\": 1}",
        "{\"weight_map\": []}", "{\"weight_map\": {\"/a/vars\": 1}}",
        "{\"weight_map\": {\"/a/vars\": [1]}}", "{\"weight_map\": {\"/a/vars\": [[\"a\"]]}}",
        "{\"weight_map\": {\"/a/vars\": {\"a\": \"b\"}}}", "{\"weight_map\": {}} {}",
        "{\"metadata\": {\"total_size\": 1e999}, \"weight_map\": {}}", "\xff\xfe{}"}) {
    SCOPED_TRACE(text);
    write("m.weights.json", text);
    EXPECT_NE(refusal("m.weights.json"), "");
  }
}

/// A record of a save that never was, with a checksum that is right.
TEST_F(HostileFiles, RecoveryRecordsOfNoSaveAreRefused) {
  SaveRequest sharded;
  sharded.max_shard_size = 1;
  save(builder_.tree, file("m.weights.json"), sharded);
  std::string names;
  for (int i = 0; i < 130'000; ++i) names += "\"00000\",";
  for (
      const std::string& line : {
          std::string(1'000'000, '['),
          std::string(16'000'000, '['),
          R"({"a":)" + std::string(1'000'000, '['),
          R"({"version":1,"save":"1-0123456789abcdef","copy":"new","remove":[],"replace":[)" +
              names + "\"00000\"]}",
          R"({"version":1,"save":"1-0123456789abcdef","copy":"new","remove":[],"replace":["/x"]})"s,
          R"({"version":1,"save":"../../etc","copy":"new","remove":["index"],"replace":[]})"s,
      }) {
    SCOPED_TRACE(line.substr(0, 30));
    const std::string text = line + "\n";
    write(
        ".m.weights.json.recovery",
        text + fmt::format("crc32 {:08x}\n",
                           ::crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size())));
    EXPECT_THAT(refusal("m.weights.json"), HasSubstr(".m.weights.json.recovery"));
  }
}

/// The shards of one save, the index of another, both of the right form.
TEST_F(HostileFiles, AnIndexOfAnotherModelIsRefused) {
  SaveRequest sharded;
  sharded.max_shard_size = 1100 / (1024.0 * 1024.0 * 1024.0);
  save(builder_.tree, file("m.weights.json"), sharded);
  lamina::testing::TreeBuilder other;
  other.layer("layers/y", "y", {random_tensor(random_, {4}, DType::kFloat32)});
  save(other.tree, file("o.weights.json"), sharded);
  std::filesystem::rename(file("o.weights.json"), file("m.weights.json"));
  EXPECT_NE(refusal("m.weights.json"), "");
}

}  // namespace
}  // namespace lamina::checkpoint
