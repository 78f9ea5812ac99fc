package nats

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/minio/highwayhash"
)

// The engine mends a damaged file by cutting off what it cannot read, and with it what was acknowledged. So its files are looked at before
// it gets them. This is the format in which nats-server 2.15 keeps a stream: a directory with
//
//	meta.inf, meta.sum   the configuration, and its checksum
//	msgs/N.blk           records: length (4 bytes, with a bit for headers), number (8), time (8), length of the subject (2), the subject, with
//	                     headers their length (4) and they themselves, the message, a checksum (8); all integers little endian
//
//	msgs/index.db        what the engine has noted of them: two bytes, how many records there are, their size, the first one's number and time (all
//	                     of variable length), the last one's number, and more; at the end a checksum
//
// A checksum is HighwayHash-64 with the SHA-256 of a name as its key. What else there is the engine can make anew, the index too.
const (
	recordHeader   = 22
	recordChecksum = 8
	headersBit     = 1 << 31
	deletedBits    = 3 << 62 // in a number: the record says that the one of this number is deleted, or is that itself
	indexName      = "index.db"
	indexMagic     = 11
)

// How a file can end before its last record does.
const (
	tooShort = "the last record is too short"
	tooLong  = "a record is longer than what is left of the file"
)

// pageSize is what the kernel writes at least before it looks whether the process that writes was killed.
const pageSize = 4096

// damage is a file of the engine that is not as it was written.
type damage struct {
	file string
	at   int64 // what is before is whole; negative if it cannot be said
	tail bool  // nothing is behind it but, at most, the rest of what was written last
	cut  bool  // the last record alone is missing, or a part of it where a write that was interrupted ends
	why  string
}

func (d *damage) Error() string {
	if d.at < 0 {
		return fmt.Sprintf("%s is damaged: %s", d.file, d.why)
	}
	return fmt.Sprintf("%s is damaged at byte %d: %s", d.file, d.at, d.why)
}

// verifyStreams looks at all streams below a directory, which need not be there, and returns the first damage that is not accepted.
func verifyStreams(root string, accepts func(*damage) bool) error {
	streams, err := glob(root, "jetstream/*/streams/*")
	if err != nil {
		return err
	}
	for _, stream := range streams {
		if found := verifyMeta(stream); found != nil {
			return found
		}
		if found := verifyBlocks(stream); found != nil && !accepts(found) {
			return found
		}
	}
	return nil
}

// glob returns the files below a directory, whose own name may have any character in it, that match a pattern.
func glob(dir, pattern string) ([]string, error) {
	found, err := fs.Glob(os.DirFS(dir), pattern)
	for i := range found {
		found[i] = filepath.Join(dir, found[i])
	}
	return found, err
}

// sum returns the checksum of some pieces of data under a name.
func sum(name string, pieces ...[]byte) []byte {
	key := sha256.Sum256([]byte(name))
	hash, err := highwayhash.New64(key[:])
	if err != nil { // the key has the right length
		panic(err)
	}
	for _, piece := range pieces {
		_, _ = hash.Write(piece) // never fails
	}
	return hash.Sum(nil)
}

// verifyMeta looks at a stream's configuration.
func verifyMeta(stream string) *damage {
	file := filepath.Join(stream, "meta.inf")
	text, err := os.ReadFile(file) //nolint:gosec // below store.dir
	if err != nil {
		return &damage{file: file, why: err.Error()}
	}
	checksum, err := os.ReadFile(filepath.Join(stream, "meta.sum")) //nolint:gosec // below store.dir
	if err != nil {
		return &damage{file: file, why: err.Error()}
	}
	if want := hex.EncodeToString(sum(filepath.Base(stream), text)); string(bytes.TrimSpace(checksum)) != want {
		return &damage{file: file, why: "its checksum is wrong"}
	}
	return nil
}

// verifyBlocks looks at a stream's messages, at those that were written last at the end.
func verifyBlocks(stream string) *damage {
	blocks, err := glob(stream, "msgs/*.blk")
	if err != nil {
		return &damage{file: stream, why: err.Error()}
	}
	slices.SortFunc(blocks, func(a, b string) int { return cmp.Compare(blockNumber(a), blockNumber(b)) })
	seen := numbers{gapless: strings.HasSuffix(stream, journalSuffix)}
	for i, file := range blocks {
		block, err := os.ReadFile(file) //nolint:gosec // below store.dir
		if err != nil {
			return &damage{file: file, why: err.Error()}
		}
		name := filepath.Base(stream) + "-" + strconv.Itoa(blockNumber(file))
		if at, why := verifyBlock(name, block, &seen); why != "" {
			tail := i == len(blocks)-1
			cut := tail && (why == tooShort || why == tooLong) && len(block)%pageSize == 0
			return &damage{file: file, at: at, why: why, tail: tail, cut: cut}
		}
	}
	if noted := notedLast(stream); noted > seen.last {
		why := fmt.Sprintf("the last record is number %d, and there was number %d", seen.last, noted)
		cut := seen.last > 0 && noted == seen.last+1 // the engine counts what it could not write
		return &damage{file: filepath.Join(stream, "msgs"), at: -1, why: why, tail: true, cut: cut}
	}
	return nil
}

// numbers is what the numbers of a stream's records say so far.
type numbers struct {
	gapless bool   // none may be missing in between
	last    uint64 // the highest one: zero if there has been none
}

// next takes the next record's number, and returns what is wrong with it.
func (n *numbers) next(number uint64) (why string) {
	deleted := number&deletedBits != 0
	number &^= deletedBits
	if n.gapless && !deleted && n.last > 0 && number != n.last+1 {
		return fmt.Sprintf("record %d follows record %d", number, n.last)
	}
	n.last = max(n.last, number)
	return ""
}

// notedLast returns the number of the last record that the engine has noted for a stream: zero if there is no note. The note may be older than
// the records.
func notedLast(stream string) uint64 {
	index, err := os.ReadFile(filepath.Join(stream, "msgs", indexName)) //nolint:gosec // below store.dir
	if err != nil {
		return 0
	}
	return parseIndex(filepath.Base(stream), index)
}

// parseIndex returns the number of the last record that an index of a stream notes: zero if it is none that the engine would take.
func parseIndex(name string, index []byte) uint64 {
	end := len(index) - recordChecksum
	if end < 2 || index[0] != indexMagic || !bytes.Equal(sum(name, index[:end]), index[end:]) {
		return 0
	}
	var last uint64
	rest := index[2:end]
	for range 5 {
		field, size := binary.Uvarint(rest)
		if size <= 0 {
			return 0
		}
		last, rest = field, rest[size:]
	}
	return last
}

func blockNumber(file string) int {
	n, _ := strconv.Atoi(strings.TrimSuffix(filepath.Base(file), ".blk"))
	return n
}

// verifyBlock returns where a block's first record is that is not whole or does not follow the one before, and why: an empty text if there is none.
func verifyBlock(name string, block []byte, seen *numbers) (at int64, why string) {
	for rest := block; len(rest) > 0; {
		at = int64(len(block) - len(rest))
		if len(rest) < recordHeader+recordChecksum {
			return at, tooShort
		}
		length := binary.LittleEndian.Uint32(rest)
		size := int(length &^ headersBit)
		switch {
		case size < recordHeader+recordChecksum:
			return at, "a record has an impossible length"
		case size > len(rest):
			return at, tooLong
		}
		subject := int(binary.LittleEndian.Uint16(rest[20:]))
		data := rest[recordHeader : size-recordChecksum]
		skip := 0
		if length&headersBit != 0 {
			skip = 4
		}
		if subject+skip > len(data) {
			return at, "a record has an impossible subject"
		}
		if !bytes.Equal(sum(name, rest[4:20], data[:subject], data[subject+skip:]), rest[size-recordChecksum:size]) {
			return at, "the checksum of a record is wrong"
		}
		if why := seen.next(binary.LittleEndian.Uint64(rest[4:])); why != "" {
			return at, why
		}
		rest = rest[size:]
	}
	return 0, ""
}

// bootID tells one run of the machine's kernel from another; it is empty if the system does not say.
func bootID() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}

// explanation returns what has happened, if a damage is what the end of a process or of the machine leaves; else an empty text.
//
// A killed process leaves the beginning of the record that it was writing, a full disk leaves that or nothing of it; nobody has got an
// acknowledgement for it. A power failure takes away what the machine had not yet written to its disk; it was restarted since then.
func (d *damage) explanation(restarted bool) (what string) {
	switch {
	case d.tail && restarted:
		return "the machine has stopped while presences were written, and the end of that is lost"
	case d.cut:
		return "the process was killed while it wrote, or the disk was full; nothing that was acknowledged is missing"
	}
	return ""
}
