// Package memory tells Go how much memory there is.
package memory

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// share is how much of the memory that there is Go is told to use, in per cent. The rest is for what it does not count.
const share = 90

// SetLimit sets Go's memory limit to most of what the machine has, or of what this process's control groups allow, unless GOMEMLIMIT is set. It is
// no hard limit: the collector works more when it comes near. If nothing can be found out, nothing is set.
func SetLimit(log *slog.Logger) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if limit, from := available(os.DirFS("/")); limit > 0 {
		debug.SetMemoryLimit(limit / 100 * share)
		log.Debug("set Go's memory limit", "bytes", limit/100*share, "because_of", from)
	}
}

// available returns the least of what limits this process's memory, in bytes, and the file that says so. It returns 0 if no file says anything.
func available(root fs.FS) (limit int64, from string) {
	try := func(file string, n int64) {
		if n > 0 && (limit == 0 || n < limit) {
			limit, from = n, file
		}
	}
	try("proc/meminfo", total(root))
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return limit, from
	}
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3) // number, controllers, group
		if len(parts) != 3 {
			continue
		}
		base, names := "sys/fs/cgroup", []string{"memory.max", "memory.high"} // version 2
		switch parts[1] {
		case "":
		case "memory":
			base, names = "sys/fs/cgroup/memory", []string{"memory.limit_in_bytes"} // version 1
		default:
			continue
		}
		for group := path.Clean("/" + parts[2]); ; group = path.Dir(group) { // a group is limited by those that it is in
			for _, name := range names {
				file := path.Join(base, group, name)
				try(file, number(root, file))
			}
			if group == "/" {
				break
			}
		}
	}
	return limit, from
}

// number returns the number that is all of a file; 0 if it is not there, or says that there is no limit.
func number(root fs.FS, file string) int64 {
	text, err := fs.ReadFile(root, file)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil { // "max"
		return 0
	}
	return n
}

// total returns how much memory the machine has, in bytes.
func total(root fs.FS) int64 {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var kib int64
		if _, err := fmt.Sscanf(lines.Text(), "MemTotal: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	return 0
}
