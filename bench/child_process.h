#pragma once
#include <sched.h>
#include <sys/wait.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

// Each measurement runs in a process of its own, so that its peak memory is its own too.
namespace lamina::bench {

inline std::string quoted(const std::string& word) {
  std::string text = "'";
  for (char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

/// Runs a command and returns what it printed. Throws when it does not exit with 0.
inline std::string run_child(const std::vector<std::string>& command) {
  std::string line;
  for (const std::string& word : command) line += quoted(word) + ' ';
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(line.c_str(), "r"),
                                                   [](FILE*) { return 0; });
  if (pipe == nullptr) throw std::runtime_error("cannot start: " + line);
  std::string text;
  char buffer[4096];
  while (const std::size_t count = fread(buffer, 1, sizeof buffer, pipe.get())) {
    text.append(buffer, count);
  }
  const int status = pclose(pipe.get());
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw std::runtime_error("failed: " + line);
  return text;
}

/// The first processors that this process may run on, at most so many, as `taskset -c` takes them:
/// a container or a batch system may keep the first ones from it.
inline std::string processors(int most) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
    throw std::runtime_error("cannot tell which processors there are");
  }
  std::string list;
  for (int i = 0; i < CPU_SETSIZE && most > 0; ++i) {
    if (!CPU_ISSET(i, &allowed)) continue;
    list += (list.empty() ? "" : ",") + std::to_string(i);
    --most;
  }
  return list;
}

/// A line of /proc/self/status in bytes: "VmHWM:" is the peak resident memory so far.
inline std::size_t status_bytes(const char* key) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::size_t kilobytes = 0;
    if (word == key && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

/// What is resident now of mapped files: the program and its libraries, the pages of them that
/// loading has written to included.
inline std::size_t mapped_file_bytes() {
  std::ifstream maps("/proc/self/smaps");
  std::size_t sum = 0;
  bool of_file = false;
  for (std::string line; std::getline(maps, line);) {
    const std::size_t word = line.find(' ');
    if (word == std::string::npos) continue;
    if (line[word - 1] != ':') {
      of_file = line.find(" /") != std::string::npos;  // a mapping: its name comes last
    } else if (of_file && line.starts_with("Rss:")) {
      sum += std::stoull(line.substr(word)) * 1024;
    }
  }
  return sum;
}

/// Puts this process before all ordinary work of the machine, so that on a shared one the figures
/// are still the engine's own. Threads made later inherit it: call it before there are any. Needs
/// the right to; throws without it.
inline void take_precedence() {
  const sched_param priority{1};
  if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0) {
    throw std::runtime_error("no right to real-time priority");
  }
}

}  // namespace lamina::bench
