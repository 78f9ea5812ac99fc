package portstest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/zarafa/presence/ports"
)

// plantedStore is what planted journals share. It keeps everything in memory, and has one fault.
type plantedStore struct {
	fault    journalFault
	released chan struct{} // is closed for what would hang for ever

	mu          sync.Mutex
	last        uint64
	entries     []plantedEntry
	at          uint64
	pieces      [][]byte
	interrupted [][]byte // what an interrupted snapshot has left
	followers   map[*planted]bool
}

type plantedEntry struct {
	at   uint64
	data []byte
}

// planted is a handle on a plantedStore.
type planted struct {
	*plantedStore

	to     ports.Replay
	failed chan error
}

const plantedLimit = 1 << 20

func (*planted) Shared() bool { return false }

func (*planted) Limit() int { return plantedLimit }

func (p *planted) Follow(ctx context.Context, to ports.Replay) error {
	p.to, p.failed = to, make(chan error, 1)
	if err := p.begin(ctx); err != nil {
		return err
	}
	var err error
	select {
	case <-ctx.Done():
		err = ctx.Err()
	case err = <-p.failed:
	}
	if p.fault == "Follow goes on after ctx" {
		<-p.released
	}
	if p.fault == "Follow returns nil" {
		err = nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault != "Replay is called after the end" {
		delete(p.followers, p)
	}
	return err
}

// begin gives what is kept.
func (p *planted) begin(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	steps := []func(context.Context) error{p.givePieces, p.giveEntries, p.catchUp}
	switch p.fault {
	case "CaughtUp comes before what was kept":
		slices.Reverse(steps)
	case "entries come before pieces":
		steps[0], steps[1] = steps[1], steps[0]
	case "everything is lost":
		steps = steps[2:]
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	p.followers[p] = true
	return nil
}

func (p *planted) givePieces(context.Context) error {
	pieces, at := slices.Clone(p.pieces), p.at
	if p.fault == "pieces come in reverse" {
		slices.Reverse(pieces)
	}
	if p.fault == "pieces have another number" {
		at--
	}
	for _, piece := range pieces {
		if err := p.to.Piece(at, piece); err != nil && p.fault != "an error of Piece is ignored" {
			return err
		}
	}
	return nil
}

func (p *planted) giveEntries(ctx context.Context) error {
	for i, entry := range p.entries {
		if err := ctx.Err(); err != nil && p.fault != "ctx is ignored while reading" {
			return err
		}
		if entry.at <= p.at && p.fault != "entries that a snapshot stands for come again" || p.fault == "the last entry is lost" && i == len(p.entries)-1 {
			continue
		}
		if err := p.to.Entry(entry.at, entry.data); err != nil && p.fault != "an error of Entry is ignored while reading" {
			return err
		}
	}
	return nil
}

func (p *planted) catchUp(context.Context) error {
	if p.fault == "Entry is called during CaughtUp" {
		p.followers[p] = true
		p.mu.Unlock()
		defer p.mu.Lock()
	}
	if p.fault != "CaughtUp is not called" {
		p.to.CaughtUp()
	}
	if p.fault == "CaughtUp is called twice" {
		p.to.CaughtUp()
	}
	if p.fault == "Reset is called after CaughtUp" {
		p.to.Reset()
	}
	return nil
}

func (p *planted) Append(_ context.Context, entry []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.followers[p] && p.fault != "entries are taken after the end" {
		return ports.ErrUnavailable
	}
	tooLong := len(entry) > plantedLimit || len(entry) == plantedLimit && p.fault == "an entry as long as Limit is refused"
	if tooLong && p.fault != "longer entries are taken" {
		if p.fault == "an entry that is refused is kept" {
			p.add(entry)
		}
		return ports.ErrTooLarge
	}
	p.add(entry)
	return nil
}

func (p *planted) add(entry []byte) {
	data := bytes.Clone(entry)
	switch p.fault {
	case "the caller's entry is kept":
		data = entry
	case "an entry ends at a zero byte":
		data, _, _ = bytes.Cut(data, []byte{0})
	case "an empty entry is dropped":
		if len(entry) == 0 {
			return
		}
	case "numbers have gaps":
		p.last += p.last % 3
	}
	p.last++
	kept := plantedEntry{p.last, data}
	if p.fault == "numbers begin with 0" {
		kept.at--
	}
	if n := len(p.entries); n%5 == 4 && p.fault == "entries change places" {
		kept.data, p.entries[n-1].data = p.entries[n-1].data, kept.data
	}
	p.entries = append(p.entries, kept)
	for follower := range p.followers {
		p.deliver(follower, kept)
	}
}

func (p *planted) deliver(follower *planted, entry plantedEntry) {
	own := follower == p
	if own && p.fault == "own entries are not delivered" || !own && p.fault == "others' entries are not delivered" {
		return
	}
	if p.fault == "own entries come first" && len(p.entries)%2 == 0 && own {
		entry.data = p.entries[len(p.entries)-2].data
	}
	if err := follower.to.Entry(entry.at, entry.data); err != nil && p.fault != "an error of Entry is ignored" {
		select {
		case follower.failed <- err:
		default:
		}
	}
}

func (p *planted) Snapshot(ctx context.Context, at uint64, next func() ([]byte, error)) error {
	if p.fault == "Append waits for a snapshot" {
		p.mu.Lock()
		defer p.mu.Unlock()
	}
	if at <= p.at {
		if p.fault == "an older snapshot is an error" {
			return errors.New("it is old")
		}
		if p.fault != "an older snapshot replaces a newer one" {
			return nil
		}
	}
	pieces, err := p.collect(ctx, next)
	if p.fault == "pieces of an interrupted snapshot remain" {
		pieces = append(p.interrupted, pieces...)
		p.interrupted = pieces
	}
	keepsHalf := p.fault == "half a snapshot is taken" || p.fault == "an error of next is ignored"
	if err != nil && !keepsHalf || len(pieces) == 0 && p.fault == "a snapshot without pieces is ignored" {
		return err
	}
	if p.fault == "pieces of the snapshot before remain" && len(p.pieces) > len(pieces) {
		pieces = append(pieces, p.pieces[len(pieces):]...)
	}
	if p.fault != "Append waits for a snapshot" {
		p.mu.Lock()
		defer p.mu.Unlock()
	}
	p.replace(at, pieces)
	if p.fault == "an error of next is ignored" {
		return nil
	}
	return err
}

func (p *planted) collect(ctx context.Context, next func() ([]byte, error)) (pieces [][]byte, err error) {
	for {
		if err := ctx.Err(); err != nil && p.fault != "Snapshot ignores ctx" {
			return pieces, err
		}
		piece, err := next()
		if errors.Is(err, io.EOF) {
			return pieces, nil
		}
		if err != nil {
			return pieces, err
		}
		if len(piece) > plantedLimit && p.fault != "longer pieces are taken" {
			return pieces, ports.ErrTooLarge
		}
		if p.fault != "the caller's piece is kept" {
			piece = bytes.Clone(piece)
		}
		pieces = append(pieces, piece)
	}
}

func (p *planted) replace(at uint64, pieces [][]byte) {
	p.at, p.pieces = at, pieces
	if p.fault == "entries that a snapshot stands for come again" {
		return
	}
	p.entries = slices.DeleteFunc(p.entries, func(e plantedEntry) bool {
		return e.at <= at || p.fault == "later entries go with a snapshot" || p.fault == "a snapshot removes what comes meanwhile"
	})
	if p.fault == "numbers are given again" {
		p.last = uint64(len(p.entries))
	}
	for follower := range p.followers {
		if follower != p && p.fault == "a snapshot resets others" {
			follower.to.Reset()
		}
	}
}
