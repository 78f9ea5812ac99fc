package memory

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"testing"
	"testing/fstest"
)

func TestAvailable(t *testing.T) {
	const meminfo = "MemTotal:        8000000 kB\nMemFree:          100000 kB\n"
	const machine = 8_000_000 << 10
	for _, test := range []struct {
		name  string
		files map[string]string
		limit int64
		from  string
	}{
		{"nothing is known", nil, 0, ""},
		{"the machine", map[string]string{"proc/meminfo": meminfo}, machine, "proc/meminfo"},
		{"a group without a limit", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n"}, machine, "proc/meminfo"},
		{"a group", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "1000000\n"}, 1_000_000, "sys/fs/cgroup/a/b/memory.max"},
		{"a lower high", map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "900\n", "sys/fs/cgroup/a/memory.high": "800\n"}, 800, "sys/fs/cgroup/a/memory.high"},
		{"a group that is in another", map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": "500\n", "sys/fs/cgroup/a/b/memory.max": "900\n"}, 500, "sys/fs/cgroup/a/memory.max"},
		{"in a container", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "700\n"}, 700, "sys/fs/cgroup/memory.max"},
		{"version 1", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu:/x\n4:memory:/a\n0::/\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "600\n"}, 600, "sys/fs/cgroup/memory/a/memory.limit_in_bytes"},
		{"version 1 without a limit", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/a\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n"}, machine, "proc/meminfo"},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range test.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			if limit, from := available(root); limit != test.limit || from != test.from {
				t.Errorf("%d because of %q, want %d because of %q", limit, from, test.limit, test.from)
			}
		})
	}
}

// TestSetLimit sets the limit of this process, to what this machine really has; GOMEMLIMIT goes before.
func TestSetLimit(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	t.Setenv("GOMEMLIMIT", "1GiB")
	SetLimit(slog.New(slog.DiscardHandler))
	if got := debug.SetMemoryLimit(-1); got != math.MaxInt64 {
		t.Errorf("%d, although GOMEMLIMIT is set", got)
	}
	_ = os.Unsetenv("GOMEMLIMIT")
	SetLimit(slog.New(slog.DiscardHandler))
	if got := debug.SetMemoryLimit(-1); got == math.MaxInt64 || got < 64<<20 {
		t.Errorf("the limit is %d", got)
	}
}
