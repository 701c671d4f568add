"""The machine under the book: ledger, claims, errata, pages, runner, site, command line."""
