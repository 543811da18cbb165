#pragma once
#include <unordered_map>
#include <unordered_set>

#include "h5/read/links.h"
#include "h5/read/reader.h"

namespace lamina::h5 {

/// The groups of a file, parsed when first asked for and then kept. Not safe for use by several
/// threads.
class FileTree {
 public:
  /// `label` names the file in errors; `root` is the root group's address.
  FileTree(std::string label, Metadata metadata, std::uint64_t root);

  /// The address of the object at `path`; nothing when a component is missing. Throws FormatError
  /// for a component that is no group, for a damaged one, and for links that are not hard.
  [[nodiscard]] std::optional<std::uint64_t> resolve(const std::string& path);
  /// The group at `path`, which lies at `address`, as weights. Damage is told in `problem`.
  [[nodiscard]] VarsGroup& vars_at(const std::string& path, std::uint64_t address);
  /// The same for a group of any name, which is not kept.
  [[nodiscard]] VarsGroup read_group(const std::string& path, std::uint64_t address);
  /// The dataset at `path`, which lies at `address`; nothing when a group lies there. Damage is
  /// told in `problem`.
  [[nodiscard]] std::optional<Dataset> read_dataset(std::string path, std::uint64_t address);
  /// What the attribute of the object at `path`, which lies at `address`, lists; no value where it
  /// has none of that name. Throws FormatError for what is damaged or no list of texts.
  [[nodiscard]] std::optional<std::vector<std::string>> read_texts(const std::string& path,
                                                                   std::uint64_t address,
                                                                   const std::string& attribute);
  /// The text that the attribute of such an object is; no value where it has none of that name, or
  /// it is no text. Throws FormatError for what is damaged.
  [[nodiscard]] std::optional<std::string> read_text(const std::string& path, std::uint64_t address,
                                                     const std::string& attribute);
  /// True when the root has a member of that name, whatever it is. Throws FormatError when it is
  /// damaged.
  [[nodiscard]] bool root_has(const std::string& name);
  /// Finds every `vars` group of the file, once.
  void walk();

  [[nodiscard]] const std::map<std::string, VarsGroup>& vars() const { return vars_; }
  /// What `walk` could not look into.
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }
  [[noreturn]] void refuse(const std::string& path, const std::string& why) const;

 private:
  /// An object that is no dataset of weights.
  struct Node {
    enum class Kind : std::uint8_t { kGroup, kDataset, kOther };
    Kind kind = Kind::kOther;
    Links links;
    std::optional<std::string> name;  ///< the attribute
    std::string problem;              ///< why its links are not known
  };
  struct Place {
    std::string path;  ///< "" for the root
    std::uint64_t address;
    std::size_t depth;
  };

  static Node read_node(Metadata& metadata, std::uint64_t address);
  const Node& node(std::uint64_t address);
  const Node& group(std::uint64_t address);
  void collect(VarsGroup& vars, std::uint64_t address);
  bool add_member(VarsGroup& vars, const std::string& key, std::uint64_t address);
  void describe(Dataset& dataset, const ObjectHeader& header);
  void enter(const Place& place);
  void note(const std::string& path, const std::string& why);

  std::string label_;
  Metadata metadata_;
  std::uint64_t root_;
  std::unordered_map<std::uint64_t, Node> nodes_;
  std::map<std::string, VarsGroup> vars_;
  std::vector<Place> pending_;
  std::unordered_set<std::uint64_t> visited_;
  std::vector<std::string> problems_;
  bool walked_ = false;
  std::size_t entered_ = 0;
};

}  // namespace lamina::h5
