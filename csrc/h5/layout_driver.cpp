#include "h5/layout_driver.h"

#include <H5FDpublic.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <new>

namespace lamina::h5 {
namespace {

struct DriverInfo {
  DriverOutput* output;
};

// HDF5 casts between H5FD_t* and the driver's struct, so the public part comes first.
struct DriverFile {
  H5FD_t shared;
  DriverOutput* output;
  haddr_t eoa;  // end of what is allocated
  haddr_t eof;  // end of what is written
};
static_assert(std::is_standard_layout_v<DriverFile>);

DriverFile* as_file(H5FD_t* file) {
  return reinterpret_cast<DriverFile*>(file);
}
const DriverFile* as_file(const H5FD_t* file) {
  return reinterpret_cast<const DriverFile*>(file);
}

// No exception may pass through HDF5, which is C.

H5FD_t* open_file(const char*, unsigned, hid_t access, haddr_t) noexcept {
  const auto* info = static_cast<const DriverInfo*>(H5Pget_driver_info(access));
  if (info == nullptr) return nullptr;
  auto* file = new (std::nothrow) DriverFile{};
  if (file == nullptr) return nullptr;
  file->output = info->output;
  return &file->shared;
}

herr_t close_file(H5FD_t* file) noexcept {
  const std::unique_ptr<DriverFile> owned(as_file(file));
  owned->output->end = owned->eof;
  return 0;
}

herr_t query(const H5FD_t*, unsigned long* flags) noexcept {
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_AGGREGATE_SMALLDATA;
  return 0;
}

haddr_t get_eoa(const H5FD_t* file, H5FD_mem_t) noexcept {
  return as_file(file)->eoa;
}

herr_t set_eoa(H5FD_t* file, H5FD_mem_t, haddr_t address) noexcept {
  as_file(file)->eoa = address;
  return 0;
}

haddr_t get_eof(const H5FD_t* file, H5FD_mem_t) noexcept {
  return as_file(file)->eof;
}

herr_t read_bytes(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, size_t size,
                  void* out) noexcept {
  as_file(file)->output->image.read(address, {static_cast<std::byte*>(out), size});
  return 0;
}

herr_t write_bytes(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, size_t size,
                   const void* bytes) noexcept {
  try {
    as_file(file)->output->image.write(address, {static_cast<const std::byte*>(bytes), size});
  } catch (const std::bad_alloc&) {
    return -1;
  }
  as_file(file)->eof = std::max(as_file(file)->eof, address + size);
  return 0;
}

herr_t truncate(H5FD_t* file, hid_t, hbool_t) noexcept {
  as_file(file)->eof = as_file(file)->eoa;
  return 0;
}

H5FD_class_t make_driver_class() {
  H5FD_class_t driver{};
  driver.name = "lamina_layout";
  driver.maxaddr = (haddr_t{1} << 62) - 1;
  driver.fc_degree = H5F_CLOSE_STRONG;
  driver.fapl_size = sizeof(DriverInfo);
  driver.open = open_file;
  driver.close = close_file;
  driver.query = query;
  driver.get_eoa = get_eoa;
  driver.set_eoa = set_eoa;
  driver.get_eof = get_eof;
  driver.read = read_bytes;
  driver.write = write_bytes;
  driver.truncate = truncate;
  const H5FD_mem_t map[] = H5FD_FLMAP_DICHOTOMY;
  std::copy(std::begin(map), std::end(map), std::begin(driver.fl_map));
  return driver;
}

}  // namespace

LayoutDriver::LayoutDriver(DriverOutput& output) {
  const H5FD_class_t driver = make_driver_class();
  driver_ = Handle(H5FDregister(&driver), "H5FDregister", driver.name);
  access_ = Handle(H5Pcreate(H5P_FILE_ACCESS), "H5Pcreate", "file access");
  const DriverInfo info{&output};
  checked(H5Pset_driver(access_.get(), driver_.get(), &info), "H5Pset_driver", driver.name);
}

}  // namespace lamina::h5
