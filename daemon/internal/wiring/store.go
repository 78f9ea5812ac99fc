package wiring

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.uber.org/dig"
	"go.uber.org/fx"

	"github.com/zarafa/presence/adapters/bolt"
	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/adapters/nats"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/setting"
)

type (
	disk    = bolt.Config
	cluster = nats.Config
)

// Store is the section store of the configuration.
type Store struct {
	Kind string `koanf:"kind" help:"where presences are kept: bolt (on this machine's disk), nats (in a NATS cluster) or memory (a restart forgets them); empty: nats if store.url is set, else bolt" choice:"bolt,nats,memory" change:"restart"`
	disk
	cluster
	Retain time.Duration `koanf:"retain" help:"a presence that nobody has updated for so long is removed, unless it has no end"`
	Limits
	Sync string `koanf:"sync" obsolete:"a change is on the disk before it is acknowledged"`
}

// Limits are how much is kept at most.
type Limits struct {
	MaxUsers       int          `koanf:"max_users" help:"how many users there may be; updates of a further one are refused with 503, and reports of sources dropped; 0 is no limit"`
	MaxDevices     int          `koanf:"max_devices" help:"how many devices a user may have on a protocol"`
	MaxSourceBytes setting.Size `koanf:"max_source_bytes" help:"how much memory the presences of one source may take"`
}

// The values of Store.Kind.
const (
	storeBolt   = "bolt"
	storeNATS   = "nats"
	storeMemory = "memory"
)

// minRetain leaves time to renew what still holds.
const minRetain = 24 * time.Hour

// DefaultStore returns the defaults.
func DefaultStore() Store {
	return Store{
		disk:    bolt.DefaultConfig(),
		cluster: nats.DefaultConfig(),
		Retain:  30 * 24 * time.Hour,
		Limits:  Limits{MaxDevices: 32, MaxSourceBytes: setting.GiB},
	}
}

// Name is the kind that is in use: Kind, or what an empty one means.
func (s Store) Name() string {
	if s.URL != "" {
		return cmp.Or(s.Kind, storeNATS)
	}
	return cmp.Or(s.Kind, storeBolt)
}

// Validate refuses a kind that there is not, and what is wrong about the store of that kind.
func (s Store) Validate() error {
	var faults []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	refuse(s.Retain < minRetain, "store.retain: must be at least %s; it is %s", minRetain, s.Retain)
	refuse(s.MaxUsers < 0, "store.max_users: must not be negative; it is %d", s.MaxUsers)
	refuse(s.MaxDevices < 1, "store.max_devices: must be at least 1; it is %d", s.MaxDevices)
	refuse(s.MaxSourceBytes < setting.MiB, "store.max_source_bytes: must be at least 1MiB; it is %s", s.MaxSourceBytes)
	switch kind := s.Name(); {
	case kind == storeNATS && s.URL == "":
		refuse(true, "store.kind: nats needs store.url, the servers of a NATS cluster: "+
			"this daemon has none inside; set store.url, or leave store.kind empty to keep presences on this machine's disk")
		rest := s.cluster
		rest.URL = "nats://example.test" // that there is none is said
		faults = append(faults, rest.Validate())
	case kind == storeNATS:
		faults = append(faults, s.cluster.Validate())
	case kind == storeBolt || kind == storeMemory:
		refuse(s.URL != "", "store.url: needs store.kind %s; it is %s", storeNATS, kind)
		refuse(s.Replicas != 1, "store.replicas: needs store.url: there is one copy on this machine")
		refuse(s.Credentials != "", "store.credentials: needs store.url")
		refuse(s.Roots.File != "", "store.ca_file: needs store.url")
	default:
		refuse(true, "store.kind: must be %s, %s or %s; it is %q", storeBolt, storeNATS, storeMemory, s.Kind)
	}
	if s.Name() == storeBolt {
		faults = append(faults, s.disk.Validate())
	}
	return errors.Join(faults...)
}

// module provides ports.Journal and ports.Leases.
func (s Store) module() fx.Option {
	switch s.Name() {
	case storeMemory:
		return fx.Module("memory", fx.Supply(fx.Annotate(memory.NewJournal(), fx.As(new(ports.Journal)), fx.As(new(ports.Leases)))))
	case storeNATS:
		return fx.Options(fx.Supply(s.cluster), nats.Module)
	}
	return fx.Options(fx.Supply(s.disk), bolt.Module)
}

// InspectStore says what keeps the store from being opened, as far as that shows on this machine without opening it.
func (s *Settings) InspectStore() error {
	if s.Store.Name() != storeBolt {
		return nil
	}
	dir, err := s.Store.Directory()
	if err == nil {
		err = bolt.Inspect(dir)
	}
	if err != nil {
		return s.Placed("store", "store.dir: "+err.Error())
	}
	return nil
}

// OpenedStore is a store that somebody other than a daemon has opened.
type OpenedStore struct {
	ports.Backup
	Where string       // the directory or the URL
	Close func() error // what was written is kept
}

// OpenStore opens the store of a configuration that is valid, without a daemon. What is in store.dir can be used by one process at a
// time. If it has to be there already, no new one is made. The store is to be closed.
func (s *Settings) OpenStore(ctx context.Context, exists bool, log *slog.Logger) (*OpenedStore, error) {
	where := s.Store.URL
	if s.Store.Name() == storeBolt {
		var err error
		if where, err = s.Store.Directory(); err == nil {
			err = checkDirectory(where, exists)
		}
		if err != nil {
			return nil, fmt.Errorf("store.dir: %w", err)
		}
	}
	var core app.Core
	var now ports.Clock
	if err := fx.New(fx.NopLogger, s.core(log), fx.Populate(&core, &now)).Err(); err != nil {
		return nil, dig.RootCause(err)
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- core.Writer.Run(running) }()
	end := func() error {
		cancel()
		return <-ended
	}
	select {
	case <-core.Writer.Loaded():
		return &OpenedStore{app.NewBackup(core, now, nil), where, end}, nil
	case err := <-ended:
		cancel()
		return nil, err
	case <-ctx.Done():
		return nil, errors.Join(end(), ctx.Err())
	}
}

// checkDirectory refuses a directory with nothing in it, if there has to be something, and one that another user could not use any more
// if root wrote into it.
func checkDirectory(dir string, exists bool) error {
	entries, err := os.ReadDir(dir)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case exists && len(entries) == 0:
		return fmt.Errorf("there are no presences in %s; name the directory that the daemon has", dir)
	}
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	for there := dir; errors.Is(err, fs.ErrNotExist); info, err = os.Stat(there) {
		there = filepath.Dir(there)
	}
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid != 0 {
		return fmt.Errorf("%s is in the hands of the user with the number %d, whose daemon could not use what root writes there; run this as that user", dir, owner.Uid)
	}
	return nil
}
