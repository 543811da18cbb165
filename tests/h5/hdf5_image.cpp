#include "hdf5_image.h"

#include <lamina/error.h>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>

namespace lamina::h5::test {
namespace {

std::string fresh_path() {
  static int count = 0;
  return testing::TempDir() + "lamina_h5_" + std::to_string(::getpid()) + "_" +
         std::to_string(count++) + ".h5";
}

Handle make_file(const std::string& path, Format format) {
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  if (format == Format::kLatest)
    checked(H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST));
  return {H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access), H5Fclose};
}

std::vector<std::byte> bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

Handle space_of(const std::vector<hsize_t>& dims, const std::vector<hsize_t>& maximum) {
  if (dims.empty()) return {H5Screate(H5S_SCALAR), H5Sclose};
  return {H5Screate_simple(static_cast<int>(dims.size()), dims.data(),
                           maximum.empty() ? nullptr : maximum.data()),
          H5Sclose};
}

Handle intermediate_groups() {
  Handle list(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  checked(H5Pset_create_intermediate_group(list, 1));
  return list;
}

}  // namespace

Hdf5Image::Hdf5Image(Format format) : path_(fresh_path()), file_(make_file(path_, format)) {}

Hdf5Image::~Hdf5Image() {
  std::remove(path_.c_str());
}

void Hdf5Image::group(const std::string& path) {
  Handle(H5Gcreate2(file_, path.c_str(), intermediate_groups(), H5P_DEFAULT, H5P_DEFAULT),
         H5Gclose);
}

void Hdf5Image::dataset(const std::string& path, hid_t type, const std::vector<hsize_t>& dims,
                        const void* data, hid_t creation, const std::vector<hsize_t>& maximum) {
  const Handle space = space_of(dims, maximum);
  const Handle dataset(
      H5Dcreate2(file_, path.c_str(), type, space, intermediate_groups(), creation, H5P_DEFAULT),
      H5Dclose);
  if (data != nullptr) checked(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data));
}

void Hdf5Image::attribute(const std::string& object, const std::string& name,
                          const std::string& value, bool variable) {
  const Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  checked(H5Tset_size(type, variable ? H5T_VARIABLE : value.size() + 1));
  checked(H5Tset_cset(type, H5T_CSET_UTF8));
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  const Handle owner(H5Oopen(file_, object.c_str(), H5P_DEFAULT), H5Oclose);
  const Handle attribute(H5Acreate2(owner, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT),
                         H5Aclose);
  const char* text = value.c_str();
  checked(H5Awrite(attribute, type, variable ? static_cast<const void*>(&text) : text));
}

void Hdf5Image::list_attribute(const std::string& object, const std::string& name,
                               const std::vector<std::string>& values, bool variable) {
  const hsize_t count = values.size();
  const Handle space(H5Screate_simple(1, &count, nullptr), H5Sclose);
  std::size_t longest = 1;
  std::vector<const char*> texts;
  for (const std::string& value : values) {
    longest = std::max(longest, value.size());
    texts.push_back(value.c_str());
  }
  const Handle type(H5Tcopy(values.empty() ? H5T_IEEE_F64LE : H5T_C_S1), H5Tclose);
  if (!values.empty()) {
    checked(H5Tset_size(type, variable ? H5T_VARIABLE : longest));
    checked(H5Tset_strpad(type, variable ? H5T_STR_NULLTERM : H5T_STR_NULLPAD));
  }
  const Handle attribute(H5Acreate_by_name(file_, object.c_str(), name.c_str(), type, space,
                                           H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                         H5Aclose);
  if (values.empty()) return;
  std::string fixed;
  for (const std::string& value : values) {
    fixed += value;
    fixed.resize(fixed.size() + longest - value.size());
  }
  checked(
      H5Awrite(attribute, type, variable ? static_cast<const void*>(texts.data()) : fixed.data()));
}

std::vector<std::byte> Hdf5Image::bytes() {
  file_.close();
  return bytes_of(path_);
}

Handle creation_list() {
  return {H5Pcreate(H5P_DATASET_CREATE), H5Pclose};
}

Handle chunked(const std::vector<hsize_t>& chunk) {
  Handle list = creation_list();
  checked(H5Pset_chunk(list, static_cast<int>(chunk.size()), chunk.data()));
  return list;
}

Handle bool_type() {
  Handle type(H5Tenum_create(H5T_STD_I8LE), H5Tclose);
  signed char value = 0;
  checked(H5Tenum_insert(type, "FALSE", &value));
  value = 1;
  checked(H5Tenum_insert(type, "TRUE", &value));
  return type;
}

Handle float16_type() {
  Handle type(H5Tcopy(H5T_IEEE_F32LE), H5Tclose);
  checked(H5Tset_fields(type, 15, 10, 5, 0, 10));
  checked(H5Tset_size(type, 2));
  checked(H5Tset_ebias(type, 15));
  return type;
}

Handle opaque_type(const std::string& tag, std::size_t size) {
  Handle type(H5Tcreate(H5T_OPAQUE, size), H5Tclose);
  checked(H5Tset_tag(type, tag.c_str()));
  return type;
}

std::shared_ptr<storage::MemoryFile> in_memory(std::vector<std::byte> bytes) {
  return std::make_shared<storage::MemoryFile>("test.weights.h5", std::move(bytes));
}

Reader open(std::vector<std::byte> bytes) {
  return Reader(in_memory(std::move(bytes)));
}

std::vector<std::byte> read_data_file(const std::string& name) {
  return bytes_of(std::string(LAMINA_TEST_DATA) + "/" + name);
}

std::string format_error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const FormatError& error) {
    return error.what();
  }
  return "";
}

}  // namespace lamina::h5::test
