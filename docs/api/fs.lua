-- fs.lua - files: `ctx.fs` and what it opens.
return {
  title = "Files",
  about = [[
Files are reached below an open directory only, a *root*; nothing here follows a symlink
out of it. Names are relative: no `..`, no empty part, no `/` in front. Modes are numbers:
`0x180` is 0600. Nothing here waits.]],
  names = {
    fs = { binding = "core.fs", ctx = true, about = "open directories, and look at files of the host" },
    Root = { class = "colibri.fs.root", about = "an open directory; `local root <close> = ...`" },
    Secret = { class = "colibri.secret", about = [[a value that is no Lua string: locked memory, zeroed at the end.
`tostring` gives `[secret]`, JSON refuses it, the log and replies redact it; `==` compares in constant time]] },
  },
  functions = {
    { "fs.open(base: string, path: string): Root",
      "a root strictly below `base`, reached without following a symlink; both are absolute",
      errors = "TargetMissing TargetEscapesRoot BaseMissing @files" },
    { "fs.open_trusted(path: string): Root",
      "a root that is the daemon's own: owned by root or its user, not writable by others", errors = "@files" },
    { "fs.contain(base: string, path: string): Contained",
      "where `path` is below `base`, canonical; opens nothing inside",
      errors = "TargetMissing TargetEscapesRoot BaseMissing @files" },
    { "fs.read_trusted(path: string, forbidden_bits: integer, max?: integer): string",
      "a file of the host whose owner is root or the daemon's user, with none of these mode bits; at most `max` bytes",
      errors = "@files" },
    { "fs.read_env(path: string): Pair[]", "the pairs of a `.env` file of the host that is 0600, in its order",
      errors = "InvalidLine DuplicateKey @files" },
    { "fs.parse_env(text: string|Secret, what: string): Pair[]",
      "the pairs in a text, in its order; `what` names it in errors", errors = "InvalidLine DuplicateKey InvalidValue" },
    { "fs.exists(path: string): boolean", "whether there is anything of this name on the host" },
    { "fs.make_private(path: string): true", "a 0700 directory of the daemon's own, made when it is missing",
      errors = "@files" },
    { "fs.scratch(prefix: string): string", "the path of a new 0700 directory", errors = "@files" },
    { "fs.remove_tree(path: string): true", "removes only what this process made by `scratch`", errors = "@files" },

    { "Root:read(name: string, max?: integer): string", "the bytes of a file; at most `max` (1 MiB)",
      errors = "TargetEscapesRoot @files" },
    { "Root:read_env(name: string): Pair[]", "the pairs of a `.env` file, in its order",
      errors = "TargetEscapesRoot InvalidLine DuplicateKey @files" },
    { "Root:write(name: string, data: string|Secret, options?: WriteOptions): Change",
      "replaces a file at once or not at all; unchanged content leaves it untouched", errors = "TargetEscapesRoot @files" },
    { "Root:write_env(name: string, pairs: table<string, string|Secret>, options?: EnvOptions): EnvWritten",
      "replaces a `.env` file, keys sorted, values quoted for sh; the text is never a Lua string",
      errors = "TargetEscapesRoot InvalidKey InvalidValue @files" },
    { "Root:stat(name: string): Stat", "what a name is, symlinks not followed", errors = "TargetEscapesRoot @files" },
    { "Root:list(name?: string): string[]", "sorted names in a directory (`.`)", errors = "TargetEscapesRoot @files" },
    { "Root:mkdir(name: string, mode?: integer): true", "a new directory, 0700 unless told", errors = "TargetEscapesRoot @files" },
    { "Root:unlink(name: string): boolean", "removes a file; whether it was there", errors = "TargetEscapesRoot @files" },
    { "Root:copy_in(source: string, name: string, mode?: integer): Change",
      "copies a file of the host (absolute `source`) to `name`, 0600 unless told", errors = "TargetEscapesRoot @files" },
    { "Root:close()", "closes the directory; again is allowed" },

    { "Secret:len(): integer", "its length in bytes" },
    { "Secret:reveal(): string", "the value as a Lua string: the explicit way out, recorded in the log with file and line" },
  },
  types = {
    { "Change", "what a write did", alias = [["changed"|"unchanged"]] },
    { "Contained", "a path below a base", fields = {
      { "base: string", "the base, canonical" },
      { "rel: string", "the rest" },
      { "path: string", "both" },
    } },
    { "Pair", "one entry of a `.env`", fields = {
      { "key: string", "`[A-Za-z_][A-Za-z0-9_]*`" },
      { "value: Secret", "never a Lua string" },
    } },
    { "WriteOptions", "how to write a file", options = true, fields = {
      { "mode?: integer", "permission bits; 0600 unless told" },
      { "uid?: integer", "owner, set before the first byte" },
      { "gid?: integer", "group" },
      { "exclusive?: boolean", "fail with `Exists` when it is there" },
      { "dry_run?: boolean", "only say what it would be" },
    } },
    { "EnvOptions", "how to write a `.env`", options = true, fields = {
      { "mode?: integer", "permission bits; 0600 unless told" },
      { "uid?: integer", "owner, set before the first byte" },
      { "gid?: integer", "group" },
      { "dry_run?: boolean", "only say what it would be" },
    } },
    { "EnvWritten", "what `write_env` did", fields = {
      { "change: Change", "whether the file is another one now" },
      { "keys: string[]", "sorted" },
    } },
    { "Stat", "facts about a name", fields = {
      { "mode: integer", "permission bits" },
      { "uid: integer", "owner" },
      { "gid: integer", "group" },
      { "size: integer", "bytes" },
      { "nlink: integer", "hard links" },
      { "mtime: integer", "UNIX seconds" },
      { [[type: "file"|"dir"|"link"|"other"]], "what it is" },
    } },
  },
}
