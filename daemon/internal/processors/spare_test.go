package processors

import (
	"log/slog"
	"runtime"
	"testing"
)

func TestAddSpare(t *testing.T) {
	t.Cleanup(runtime.SetDefaultGOMAXPROCS)
	runtime.SetDefaultGOMAXPROCS()
	processors := runtime.GOMAXPROCS(0)
	t.Setenv("GOMAXPROCS", "7")
	if AddSpare(slog.New(slog.DiscardHandler)); runtime.GOMAXPROCS(0) != processors {
		t.Errorf("GOMAXPROCS is set, and %d became %d", processors, runtime.GOMAXPROCS(0))
	}
	t.Setenv("GOMAXPROCS", "")
	for range 2 {
		if AddSpare(slog.New(slog.DiscardHandler)); runtime.GOMAXPROCS(0) != processors+1 {
			t.Errorf("%d became %d", processors, runtime.GOMAXPROCS(0))
		}
	}
}
