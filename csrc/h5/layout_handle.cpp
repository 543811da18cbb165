#include "h5/layout_handle.h"

namespace lamina::h5 {
namespace {

// The innermost record says what went wrong; the outer ones repeat who called whom.
herr_t keep_innermost(unsigned, const H5E_error2_t* record, void* out) noexcept {
  if (record->desc != nullptr) {
    try {
      *static_cast<std::string*>(out) = record->desc;
    } catch (...) {
      return -1;
    }
  }
  return 1;
}

}  // namespace

void raise_hdf5(const char* call, const std::string& object) {
  std::string reason;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, &reason);
  H5Eclear2(H5E_DEFAULT);
  throw FormatError(std::string(call) + " failed for '" + object + "'" +
                    (reason.empty() ? "." : ": " + reason + "."));
}

QuietErrors::QuietErrors() {
  H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

QuietErrors::~QuietErrors() {
  H5Eset_auto2(H5E_DEFAULT, function_, data_);
}

}  // namespace lamina::h5
