-- task.lua - waiting and running side by side: `ctx.task`, locks, queues.
return {
  title = "Tasks",
  about = [[
A request, a hook's run, a step is one task: a coroutine that other tasks run beside while
it waits. It can wait anywhere, callbacks of `table.sort` and `string.gsub` included, but not in
a metamethod that a C function calls (`__tostring`), in the
function given to `ctx.db:write`, and while a file loads: there the call raises `cannot wait
here`. Children end with their parent, and those of a script use up its
budgets.]],
  names = {
    task = { binding = "core.task", ctx = true, about = "sleep, children, deadlines" },
    Task = { class = "colibri.task", about = "a child task" },
    Waiter = { class = "colibri.waiter", internal = true, about = "wait until somebody wakes" },
    sync = { module = "colibri.sync", about = "locks and queues for tasks of this process" },
    Lock = { about = "a lock; first come, first served" },
    Guard = { about = "a lock that is held; `local guard <close> = lock:acquire()`" },
    Queue = { about = "values in order" },
  },
  functions = {
    { "task.sleep(seconds: number)", "lets so much time pass", waits = true },
    { "task.go(fn: function, ...: any): Task", "starts a child of the caller with the limits of a script" },
    { "task.timeout(seconds: number, fn: function, ...: any): any",
      "the results of `fn(...)`, or `DeadlineExceeded`: then it is cancelled, the caller is not", waits = true,
      errors = "DeadlineExceeded" },
    { "task.spawn_detached(name: string, fn: function, ...: any): Task",
      "a task that belongs to nobody and has no budget", internal = true },
    { "task.waiter(): Waiter", "what locks and queues are made of", internal = true },
    { "task.self(): table?", "`{ id, name }` of the running task", internal = true },
    { "task.arm(entry: string)", "from here on the running task is counted, paused and killed; `entry` is where the code stands", internal = true },
    { "task.deadline(seconds: number)", "of the running task, from now; 0: none", internal = true },
    { "task.renew()", "the running task has its whole budget of instructions again", internal = true },
    { "task.count(): integer, integer", "how many tasks and waits there are", internal = true },

    { "Task:wait(): any", "its results", waits = true, errors = "Cancelled DeadlineExceeded BudgetExceeded MemoryExceeded ScriptError" },
    { "Task:done(): boolean", "whether it ended" },
    { "Task:cancel(): boolean", "ends it; whether it still ran" },

    { "Waiter:wait(seconds?: number): true", "until `wake`", waits = true, errors = "DeadlineExceeded" },
    { "Waiter:wake(): integer", "lets all who wait go on; how many that were" },

    { "sync.lock(): Lock", "a new lock" },
    { "sync.queue(max?: integer): Queue", "a new queue of at most `max` values; without a bound unless told" },
    { "Lock:acquire(): Guard", "takes the lock", waits = true },
    { "Guard:release()", "gives it back; again is allowed" },
    { "Queue:put(value: any): boolean", "appends; false when it is full" },
    { "Queue:get(timeout?: number): any", "the oldest value; waits for one", waits = true, errors = "DeadlineExceeded" },
  },
}
