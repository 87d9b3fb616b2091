# Writes a C++ source with the bytes of files: cmake -DOUT=a.cpp -DFILES="x.html;y.js" -P embed.cmake
set(tables "")
set(entries "")
set(number 0)
foreach(file ${FILES})
  get_filename_component(name ${file} NAME)
  file(READ ${file} hex HEX)
  string(LENGTH "${hex}" length)
  math(EXPR length "${length} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND tables "constexpr unsigned char file_${number}[] = {${bytes}0};\n")
  string(APPEND entries "  {\"${name}\", {reinterpret_cast<const char*>(file_${number}), ${length}}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUT} "// Made by transports/http/embed.cmake.
#include \"transports/http/console.hpp\"
#include <vector>
namespace troupe::http {
namespace {
${tables}} // namespace
std::span<const embedded_file> console_files() noexcept {
  static const std::vector<embedded_file> files = {
${entries}  };
  return files;
}
} // namespace troupe::http
")
