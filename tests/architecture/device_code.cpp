// Code for GPUs lies in a library as ELF files of a machine of NVIDIA's own. What is read of them
// is no documented format, but that of every toolkit from 10 on: where it changes, numbers are
// missing, and the test says so.
#include "device_code.h"

#include <cxxabi.h>
#include <elf.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>

namespace lamina::testing {
namespace {

constexpr Elf64_Half kMachine = 190;             // EM_CUDA
constexpr unsigned char kMovedArchitecture = 8;  // from this ABI on it lies a byte higher
// Entries of the section .nv.info: a byte of format, one of attribute, two of the data's size.
constexpr unsigned char kSizedValue = 0x04, kFrameSize = 0x11, kRegisterCount = 0x2f;

template <class T>
T read(std::string_view bytes, std::size_t at) {
  if (at > bytes.size() || bytes.size() - at < sizeof(T)) {
    throw std::out_of_range("device code ends before what it announces");
  }
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

std::string text_at(std::string_view bytes, std::size_t at) {
  if (at > bytes.size()) throw std::out_of_range("device code has a name behind its end");
  return std::string(bytes.substr(at, bytes.find('\0', at) - at));
}

std::string demangled(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), &std::free);
  return status == 0 ? text.get() : name;
}

/// One ELF file, from its first byte on.
class Cubin {
 public:
  explicit Cubin(std::string_view bytes)
      : bytes_(bytes), header_(read<Elf64_Ehdr>(bytes, 0)), names_(section(header_.e_shstrndx)) {}

  [[nodiscard]] std::vector<KernelUse> kernels() const {
    std::map<std::string, KernelUse> found;
    std::map<std::string, unsigned long long> shared;
    for (unsigned k = 0; k < header_.e_shnum; ++k) {
      const Elf64_Shdr part = section(k);
      const std::string name = text_at(bytes_, names_.sh_offset + part.sh_name);
      if (name == ".nv.info") add_numbers(part, found);
      if (name.starts_with(".nv.shared.")) shared[name.substr(11)] = part.sh_size;
    }
    std::vector<KernelUse> result;
    for (auto& [name, kernel] : found) {
      if (kernel.registers == 0) continue;  // a function that kernels call
      kernel.name = demangled(name);
      kernel.architecture = architecture();
      kernel.shared = shared[name];
      result.push_back(kernel);
    }
    return result;
  }

 private:
  [[nodiscard]] unsigned architecture() const {
    const bool moved = header_.e_ident[EI_ABIVERSION] >= kMovedArchitecture;
    return header_.e_flags >> (moved ? 8 : 0) & 0xff;
  }
  [[nodiscard]] Elf64_Shdr section(unsigned k) const {
    return read<Elf64_Shdr>(bytes_, header_.e_shoff + std::size_t{k} * header_.e_shentsize);
  }
  /// Of the symbol with this index, in the table that `info` is about.
  [[nodiscard]] std::string symbol(const Elf64_Shdr& info, unsigned index) const {
    const Elf64_Shdr table = section(info.sh_link);
    const auto entry =
        read<Elf64_Sym>(bytes_, table.sh_offset + std::size_t{index} * sizeof(Elf64_Sym));
    return text_at(bytes_, section(table.sh_link).sh_offset + entry.st_name);
  }
  void add_numbers(const Elf64_Shdr& info, std::map<std::string, KernelUse>& found) const {
    const std::size_t end = info.sh_offset + info.sh_size;
    for (std::size_t at = info.sh_offset; at + 4 <= end;) {
      const auto format = read<unsigned char>(bytes_, at);
      const auto attribute = read<unsigned char>(bytes_, at + 1);
      const auto size = read<unsigned short>(bytes_, at + 2);
      at += 4;
      if (format != kSizedValue) continue;  // the two bytes were the value
      if (attribute == kFrameSize || attribute == kRegisterCount) {
        KernelUse& kernel = found[symbol(info, read<unsigned>(bytes_, at))];
        (attribute == kFrameSize ? kernel.stack : kernel.registers) =
            read<unsigned>(bytes_, at + 4);
      }
      at += size;
    }
  }

  std::string_view bytes_;
  Elf64_Ehdr header_;
  Elf64_Shdr names_;
};

}  // namespace

std::vector<KernelUse> kernels_in(std::string_view bytes) {
  std::vector<KernelUse> result;
  for (std::size_t at = bytes.find(ELFMAG); at != bytes.npos; at = bytes.find(ELFMAG, at + 1)) {
    const std::string_view rest = bytes.substr(at);
    if (rest.size() < sizeof(Elf64_Ehdr)) break;
    if (read<Elf64_Ehdr>(rest, 0).e_machine != kMachine) continue;
    const std::vector<KernelUse> kernels = Cubin(rest).kernels();
    result.insert(result.end(), kernels.begin(), kernels.end());
  }
  return result;
}

}  // namespace lamina::testing
