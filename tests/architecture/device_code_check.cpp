// Holds what ptxas made of the kernels against what a GPU needs to be busy: blocks of 256 threads
// that have their numbers in registers, four or more to a multiprocessor. Built where a toolkit is.
#include <elf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

#include "device_code.h"

namespace lamina::testing {
namespace {

constexpr unsigned kThreads = 256, kRegistersOfAll = 65536, kBlocks = 4;
constexpr unsigned kMostRegisters = kRegistersOfAll / kThreads / kBlocks;
/// Eight blocks have room beside one another on every GPU that the library is compiled for.
constexpr unsigned kMostShared = 16 << 10;
/// That the numbers here were measured for: what CMake has the library compiled for, unless told.
constexpr unsigned kMeasured[] = {80, 90};
/// ptxas gives up a few registers where one more block fits then: no fault, and not the same from
/// one toolkit to the next.
constexpr unsigned kSmallSpill = 16;

/// Kernels that may have more, by a part of their names.
struct Exception {
  const char *part, *why;
  unsigned stack, registers;
};
constexpr Exception kExceptions[] = {
    {"kernels::Function>", "powers and large angles, one copy for all elements of a pack", 128, 64},
    {"kernels::BinaryFunction>", "powers and remainders, one copy for all elements", 128, 64},
    {"kernels::ConvolutionMap<", "any function of its sums; where no library has one", 48, 64},
    {"kernels::ProductMap<", "the same", 48, 64},
    {"kernels::LossGradientOfRow<", "eight registers given up for two blocks more; a row a sample",
     48, 64},
    {"kernels::SumNorms<", "six registers given up for one block more; once a step of Lamb's", 24,
     64},
    {"<double", "two registers a number; networks are seldom of float64", 128, 112},
};

const std::string& library() {
  static const std::string bytes = [] {
    std::ifstream file(LAMINA_LIBRARY, std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(file), {}};
  }();
  return bytes;
}

const std::vector<KernelUse>& kernels() {
  static const std::vector<KernelUse> all = kernels_in(library());
  return all;
}

/// From the last ELF file on that has kernels. (The library may be an archive: other files first.)
std::string last_code() {
  const std::string_view all = library();
  for (std::size_t at = all.size(); at != 0;) {
    at = all.rfind(ELFMAG, at - 1);
    if (at == all.npos) break;
    if (!kernels_in(all.substr(at)).empty()) return std::string(all.substr(at));
  }
  return {};
}

bool is_measured(const KernelUse& kernel) {
  return std::count(std::begin(kMeasured), std::end(kMeasured), kernel.architecture) != 0;
}

struct Limits {
  unsigned stack = kSmallSpill, registers = kMostRegisters;
};

Limits limits_of(const std::string& name) {
  Limits limits;
  for (const Exception& exception : kExceptions) {
    if (name.find(exception.part) == std::string::npos) continue;
    limits.stack = std::max(limits.stack, exception.stack);
    limits.registers = std::max(limits.registers, exception.registers);
  }
  return limits;
}

/// Without our own namespaces and what `void` and the arguments say again.
std::string short_name(std::string name) {
  for (const std::string& noise : {std::string("lamina::kernels::"), std::string("lamina::")}) {
    for (std::size_t at; (at = name.find(noise)) != name.npos;) name.erase(at, noise.size());
  }
  name = name.substr(0, name.find('('));
  return name.starts_with("void ") ? name.substr(5) : name;
}

void print_biggest(const char* what, unsigned KernelUse::*number) {
  std::vector<KernelUse> all = kernels();
  const std::size_t count = std::min<std::size_t>(all.size(), 12);
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count), all.end(),
                    [&](const KernelUse& a, const KernelUse& b) { return a.*number > b.*number; });
  std::printf("most %s\n   sm registers stack shared blocks\n", what);
  for (std::size_t k = 0; k < count; ++k) {
    const KernelUse& kernel = all[k];
    const unsigned held = (kernel.registers + 7) / 8 * 8 * kThreads;
    std::printf("%5u %9u %5u %6llu %6u  %s\n", kernel.architecture, kernel.registers, kernel.stack,
                kernel.shared, std::min(8U, kRegistersOfAll / held),
                short_name(kernel.name).c_str());
  }
}

TEST(DeviceCode, IsFoundInTheLibrary) {
  std::set<unsigned> architectures;
  for (const KernelUse& kernel : kernels()) {
    architectures.insert(kernel.architecture);
    EXPECT_GE(kernel.registers, 4U) << kernel.name;
    EXPECT_LE(kernel.registers, 255U) << kernel.name;
  }
  std::printf("%zu kernels for %zu architectures\n", kernels().size(), architectures.size());
  EXPECT_GT(kernels().size(), 100 * architectures.size());
  EXPECT_FALSE(architectures.empty())
      << "no code for GPUs in " LAMINA_LIBRARY ": is it compressed, or of PTX alone?";
}

TEST(DeviceCode, KeepsToRegistersAndToSoFew) {
  print_biggest("registers", &KernelUse::registers);
  print_biggest("local memory", &KernelUse::stack);
  if (std::none_of(kernels().begin(), kernels().end(), is_measured)) {
    GTEST_SKIP() << "compiled for other architectures";
  }
  for (const KernelUse& kernel : kernels()) {
    if (!is_measured(kernel)) continue;
    const Limits limits = limits_of(kernel.name);
    const std::string who = short_name(kernel.name) + " for " + std::to_string(kernel.architecture);
    EXPECT_LE(kernel.stack, limits.stack) << who << ": bytes of local memory a thread";
    EXPECT_LE(kernel.registers, limits.registers) << who << ": registers a thread";
    EXPECT_LE(kernel.shared, kMostShared) << who << ": bytes of shared memory a block";
  }
}

TEST(DeviceCode, IsWhatTheExceptionsAreAbout) {
  for (const Exception& exception : kExceptions) {
    EXPECT_TRUE(std::any_of(kernels().begin(), kernels().end(),
                            [&](const KernelUse& kernel) {
                              return kernel.name.find(exception.part) != std::string::npos;
                            }))
        << exception.part << " is in no kernel's name";
  }
}

TEST(DeviceCode, ThatIsCutOffIsRefused) {
  const std::string code = last_code();
  ASSERT_FALSE(code.empty()) << "no code for GPUs";
  EXPECT_THROW((void)kernels_in(code.substr(0, 4 * sizeof(Elf64_Ehdr))), std::out_of_range);
}

TEST(DeviceCode, OfTheOlderAbiHasTheArchitectureElsewhere) {
  std::string code = last_code();
  ASSERT_FALSE(code.empty()) << "no code for GPUs";
  const unsigned architecture = kernels_in(code).front().architecture;
  Elf64_Ehdr header;
  std::memcpy(&header, code.data(), sizeof(header));
  for (const auto& [abi, flags] :
       {std::pair{7, 0x500U | architecture}, std::pair{8, 0x06000004U | architecture << 8}}) {
    header.e_ident[EI_ABIVERSION] = static_cast<unsigned char>(abi);
    header.e_flags = flags;
    std::memcpy(code.data(), &header, sizeof(header));
    EXPECT_EQ(kernels_in(code).front().architecture, architecture) << abi;
  }
}

}  // namespace
}  // namespace lamina::testing
