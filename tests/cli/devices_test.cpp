#include <gmock/gmock.h>

#include "cli/devices_text.h"
#include "runtime/runtimes.h"
#include "tests/cli/binary.h"
#include "tests/fakes/temporary_directory.h"

using namespace lamina;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Devices, AreListedWithWhatTheyHave) {
  const CudaDevices found{{{Device::cuda(0), "NVIDIA H100 80GB HBM3", 85'024'112'640ULL, 9, 0},
                           {Device::cuda(1), "NVIDIA A100-SXM4-40GB", 42'295'033'856ULL, 8, 0}},
                          ""};
  EXPECT_EQ(cli::devices_text(found, 16),
            "cpu     16 threads\n"
            "cuda:0  NVIDIA H100 80GB HBM3, sm_90, 79.2 GiB\n"
            "cuda:1  NVIDIA A100-SXM4-40GB, sm_80, 39.4 GiB\n");
}

TEST(Devices, ThatAreNotThereHaveAReason) {
  EXPECT_EQ(cli::devices_text({{}, "no CUDA driver is installed"}, 2),
            "cpu   2 threads\n"
            "cuda  none: no CUDA driver is installed\n");
}

TEST(Devices, ReasonsAreInWords) {
  using runtime::no_device_reason;
  const std::string status = "cudaErrorInsufficientDriver", text = "CUDA driver version is ...";
  EXPECT_EQ(no_device_reason(status, text, 0, 13010), "no CUDA driver is installed");
  EXPECT_EQ(no_device_reason(status, text, 12080, 13010),
            "the installed driver is for CUDA 12.8 and this build needs one for 13.1");
  EXPECT_EQ(no_device_reason("cudaErrorNoDevice", "no CUDA-capable device", 13010, 13010),
            "the CUDA driver finds no device");
  EXPECT_EQ(no_device_reason("cudaErrorInitializationError", "initialization error", 13010, 13010),
            "initialization error (cudaErrorInitializationError): so it is where a process that "
            "used CUDA was forked");
  EXPECT_EQ(no_device_reason("cudaErrorSystemNotReady", "system not yet initialized", 13010, 13010),
            "system not yet initialized (cudaErrorSystemNotReady)");
}

// Whatever this machine has.
TEST(Devices, TheCommandSaysWhatThisMachineHas) {
  const lamina::testing::TemporaryDirectory directory;
  const lamina::testing::Outcome outcome =
      lamina::testing::run_lamina(directory.path(), {"devices"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, StartsWith("cpu"));
  const CudaDevices found = cuda_devices();
  EXPECT_EQ(found.usable.empty(), !found.problem.empty());
  if (found.usable.empty()) {
    EXPECT_THAT(outcome.out, HasSubstr("none: " + found.problem));
  }
  for (const CudaDevice& each : found.usable) EXPECT_THAT(outcome.out, HasSubstr(each.name));
}
