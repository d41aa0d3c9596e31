-- json.lua - `ctx.json`, also `require "core.json"`.
return {
  title = "JSON",
  about = [[
Integers stay integers, keys have a fixed order, an empty list is `[]`. Text is strict: UTF-8,
at most 64 levels, no integer beyond 2^53.]],
  names = {
    json = { binding = "core.json", ctx = true, require = true, about = "text to values and back" },
  },
  functions = {
    { "json.encode(value: any): string", "one line; a secret, NaN, a loop, a function are refused", errors = "BadValue" },
    { "json.decode(text: string): any", "the value of a text; `null` is `json.null`", errors = "BadJson" },
    { "json.array(list: table): table", "the same table, marked as a list: it is `[]` when empty" },
    { "json.is_array(value: any): boolean", "whether it is a table marked as a list, or one with a first element" },
    { "json.ordered(keys: string[]): table", "a metatable: objects that have it are encoded with these keys first, in this order" },
  },
  values = {
    { "json.null: lightuserdata", "JSON's null; unlike nil it can stand in a list" },
  },
}
