// A child that was forked while its parent's model was being saved.
#include "models/weights/pending_saves.h"

#include <gtest/gtest.h>
#include <lamina/error.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>

namespace lamina::models {
namespace {

using checkpoint::SaveState;

/// Of what the child returns from `run`; 14 (SIGALRM) when it waits for ever.
template <class F>
int status_of_child(const F& run) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    ::_exit(run());
  }
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

TEST(PendingSaves, OfAParentAreNotWaitedForInItsChild) {
  PendingSaves saves;
  const auto never_over = std::make_shared<SaveState>("parents.weights.h5");
  saves.add(never_over);
  EXPECT_EQ(status_of_child([&] {
              saves.wait_until_copied();
              return saves.under_way().empty() ? 0 : 1;
            }),
            0);
  EXPECT_EQ(saves.under_way().size(), 1U);
  never_over->finish(nullptr);
}

TEST(PendingSaves, OfAChildAreItsOwn) {
  PendingSaves saves;
  const auto parents = std::make_shared<SaveState>("parents.weights.h5");
  saves.add(parents);
  EXPECT_EQ(status_of_child([&] {
              const auto own = std::make_shared<SaveState>("childs.weights.h5");
              saves.add(own);
              if (saves.under_way() != std::vector{own}) return 1;
              own->finish(std::make_exception_ptr(StorageError("full", 28)));
              try {
                saves.throw_failure();
              } catch (const StorageError&) {
                return saves.under_way().empty() ? 0 : 2;
              }
              return 3;
            }),
            0);
  EXPECT_EQ(saves.under_way(), std::vector{parents});
  parents->finish(nullptr);
}

}  // namespace
}  // namespace lamina::models
