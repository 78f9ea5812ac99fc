// Package identities reads what users are called elsewhere, from the configuration and from a file, and reads the file again when it changes.
//
// Package wiring makes it; it keeps the use case app.Identities up to date.
package identities

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/setting"
)

// maxFile is the largest file that is read, in bytes: some hundred thousand users.
const maxFile = 64 << 20

// Record is an entry of the key identities, and of a file in YAML. See domain.Identity.
type Record struct {
	User        string              `koanf:"user" yaml:"user"`
	DisplayName string              `koanf:"display_name" yaml:"display_name"`
	Groups      []string            `koanf:"groups" yaml:"groups"`
	TimeZone    string              `koanf:"time_zone" yaml:"time_zone"`
	Names       map[string][]string `koanf:"names" yaml:"names"`
}

// Read makes a table of the records of a configuration and of those in a file, which are further ones; an empty name is no file. The error has a
// line for each fault, which begins with the key.
func Read(records []Record, file string) (*domain.Identities, error) {
	inFile, err := readFile(file)
	if err != nil {
		return nil, fmt.Errorf("identities_file: %w", err)
	}
	if err := errors.Join(checkZones("identities", records), checkZones("identities_file: "+file, inFile)); err != nil {
		return nil, err
	}
	table, err := domain.NewIdentities(slices.Concat(toDomain(inFile), toDomain(records)))
	if faults, are := errors.AsType[domain.IdentityFaults](err); are {
		return nil, placed(faults, len(inFile), "identities_file: "+file)
	}
	return table, err
}

// placed says of each fault which entry has it. The first records are those of the file.
func placed(faults domain.IdentityFaults, inFile int, file string) error {
	all := make([]error, len(faults))
	for i, fault := range faults {
		entry := setting.Entry(file, fault.Index, fault.User)
		if fault.Index >= inFile {
			entry = setting.Entry("identities", fault.Index-inFile, fault.User)
		}
		all[i] = fmt.Errorf("%s: %w", entry, fault.Err)
	}
	return errors.Join(all...)
}

func toDomain(records []Record) []domain.Identity {
	all := make([]domain.Identity, len(records))
	for i, r := range records {
		all[i] = domain.Identity(r)
	}
	return all
}

// checkZones refuses time zones that nobody knows. What is wrong with a record otherwise is the domain's to say.
func checkZones(where string, records []Record) error {
	var faults []error
	for i, r := range records {
		if _, err := time.LoadLocation(r.TimeZone); err != nil {
			faults = append(faults, fmt.Errorf("%s: time_zone: expected a name such as Europe/Berlin, got %q", setting.Entry(where, i, r.User), r.TimeZone))
		}
	}
	return errors.Join(faults...)
}

// readFile reads the records of a file, whose form its name tells.
func readFile(name string) ([]Record, error) {
	if name == "" {
		return nil, nil
	}
	read, known := map[string]func([]byte) ([]Record, error){".yaml": readYAML, ".yml": readYAML, ".csv": readCSV}[strings.ToLower(filepath.Ext(name))]
	if !known {
		return nil, fmt.Errorf("%s: its name must end with .yaml or .csv", name)
	}
	text, err := setting.ReadFile(name, maxFile)
	if err != nil {
		return nil, err
	}
	records, err := read(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return records, nil
}

// readYAML reads a list of records.
func readYAML(text []byte) (records []Record, err error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err = decoder.Decode(&records); errors.Is(err, io.EOF) {
		return nil, nil
	}
	if faults := new(yaml.TypeError); errors.As(err, &faults) {
		return nil, errors.New(strings.Join(faults.Errors, "; "))
	}
	return records, err
}

// readCSV reads a table. The first row names the columns: user, display_name, groups, time_zone, and protocols. A cell that holds several
// groups or names has semicolons between them.
func readCSV(text []byte) (records []Record, err error) {
	reader := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	reader.TrimLeadingSpace = true
	columns, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("it is empty: the first row must name the columns, user first")
	}
	if err != nil {
		return nil, err
	}
	if !slices.Contains(columns, "user") {
		return nil, errors.New("line 1: there is no column user")
	}
	for {
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return nil, err
		}
		records = append(records, recordOf(columns, row))
	}
}

func recordOf(columns, row []string) (r Record) {
	for i, column := range columns {
		cell := strings.TrimSpace(row[i])
		switch column {
		case "user":
			r.User = cell
		case "display_name":
			r.DisplayName = cell
		case "groups":
			r.Groups = several(cell)
		case "time_zone":
			r.TimeZone = cell
		default:
			if names := several(cell); len(names) > 0 {
				if r.Names == nil {
					r.Names = make(map[string][]string)
				}
				r.Names[column] = append(r.Names[column], names...)
			}
		}
	}
	return r
}

// several returns the parts of a cell.
func several(cell string) (parts []string) {
	for part := range strings.SplitSeq(cell, ";") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
