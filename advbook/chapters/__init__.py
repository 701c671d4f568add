"""The measurements of each chapter: plain functions of JSON parameters that return JSON values (and arrays)."""
