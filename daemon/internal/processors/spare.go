// Package processors tells Go how many threads may run Go code at a time.
package processors

import (
	"log/slog"
	"os"
	"runtime"
)

// AddSpare lets one thread more run Go code than there are processors, unless GOMAXPROCS is set. A thread that waits for the disk in a system
// call counts as running until Go notices, which takes some 20 to 100 us each time; with one processor nobody is served meanwhile (see
// BenchmarkOneProcessor in package command). From then on Go does not notice if the process's share of the processors changes.
func AddSpare(log *slog.Logger) {
	if os.Getenv("GOMAXPROCS") != "" {
		return
	}
	runtime.SetDefaultGOMAXPROCS() // so that calling AddSpare again adds nothing
	threads := runtime.GOMAXPROCS(0) + 1
	runtime.GOMAXPROCS(threads)
	log.Debug("set how many threads run Go code", "threads", threads)
}
