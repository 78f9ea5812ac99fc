// Package smalldisk gives tests a file system that is soon full.
package smalldisk

import (
	"syscall"
)

// TB is what is needed of *testing.T.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	TempDir() string
}

// Mount returns a directory on a file system of its own with room for so many bytes, such as 32m, until the test ends. That takes root.
func Mount(t TB, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("a small file system cannot be mounted, which takes root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("%v", err)
		}
	})
	return dir
}
