package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

var (
	freeBytes = family("store_filesystem_free_bytes", "How many bytes are free for this daemon on the file system of store.dir.")
	sizeBytes = family("store_filesystem_size_bytes", "How large the file system of store.dir is.")
)

// diskCollector asks how full a file system is.
type diskCollector struct{ dir string }

// OfDisk returns a collector of how full the file system of a directory is. As long as the directory is not there, it tells nothing.
func OfDisk(dir string) prometheus.Collector { return diskCollector{dir} }

// Describe implements prometheus.Collector.
func (diskCollector) Describe(into chan<- *prometheus.Desc) {
	into <- freeBytes
	into <- sizeBytes
}

// Collect implements prometheus.Collector.
func (c diskCollector) Collect(metrics chan<- prometheus.Metric) {
	var fs unix.Statfs_t
	if err := unix.Statfs(c.dir, &fs); err != nil {
		return
	}
	block := float64(fs.Frsize)
	sink(metrics).gauge(freeBytes, float64(fs.Bavail)*block)
	sink(metrics).gauge(sizeBytes, float64(fs.Blocks)*block)
}
