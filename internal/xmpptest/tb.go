package xmpptest

// TB is what this package needs of the test that it serves: *testing.T, *testing.B, or whatever else has something to show with a
// real server.
type TB interface {
	Helper()
	// Cleanup registers what is to be done at the end, last first.
	Cleanup(end func())
	// TempDir returns a fresh folder that goes away at the end.
	TempDir() string
	// Fatal and Fatalf say what is wrong and do not return.
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}
