package identities

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/zarafa/presence/domain"
)

// lookEvery is how often the file is looked at.
const lookEvery = 2 * time.Second

// Table takes what was read.
type Table interface {
	Replace(*domain.Identities)
}

// Follower keeps a table up to date: with the configuration, and with the file while it runs.
type Follower struct {
	table Table
	log   *slog.Logger

	mu      sync.Mutex
	records []Record
	file    string
	seen    state // of the file when it was read last
}

// state tells whether a file is another one than before.
type state struct {
	size     int64
	modified time.Time
	there    bool
}

// NewFollower reads the records and the file, and puts them into the table. The error is that of Read.
func NewFollower(records []Record, file string, table Table, log *slog.Logger) (*Follower, error) {
	f := &Follower{table: table, log: log}
	apply, err := f.Prepare(records, file)
	if err == nil {
		apply()
	}
	return f, err
}

// Prepare reads another configuration, and what it returns puts that into effect. The error says what is wrong with it, or with the file.
func (f *Follower) Prepare(records []Record, file string) (apply func(), err error) {
	seen := stateOf(file) // before it is read: what changes meanwhile is read again
	read, err := Read(records, file)
	if err != nil {
		return nil, err
	}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.records, f.file, f.seen = records, file, seen
		f.table.Replace(read)
	}, nil
}

// Run reads the file again when it changes, until ctx ends. A faulty file changes nothing, and the log says why.
func (f *Follower) Run(ctx context.Context) {
	looks := time.NewTicker(lookEvery)
	defer looks.Stop()
	for {
		select {
		case <-looks.C:
			f.look()
		case <-ctx.Done():
			return
		}
	}
}

func (f *Follower) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := stateOf(f.file)
	if f.file == "" || now == f.seen {
		return
	}
	f.seen = now
	read, err := Read(f.records, f.file)
	if err != nil {
		f.log.Error("identities_file has changed and cannot be used; what was read before stays in use", "err", err)
		return
	}
	f.table.Replace(read)
	f.log.Info("identities_file was read again", "file", f.file)
}

// stateOf looks at a file. One that cannot be looked at is not there; reading it says why.
func stateOf(name string) state {
	info, err := os.Stat(name)
	if err != nil || info.Mode()&fs.ModeType != 0 { // a pipe cannot be read twice
		return state{}
	}
	return state{info.Size(), info.ModTime(), true}
}
